"""One visit of the backend to libvirt's embedded driver, as a program: it prints what it saw as one JSON
object.

The embedded driver lives in the process that opens it, one folder per process and for its whole life; and
as root it wants libvirt's user and KVM out of its way (libvirt_namespace.py). So it is visited in a process
of its own.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import libvirt

from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor
from autoscaler.backends.libvirt.loop import ensure_event_loop
from autoscaler.core.model import DomainEvent, DomainEventKind
from autoscaler.errors import AutoscalerError
from tests.fakes.libvirt_domains import RealClock, bare_qemu_domain
from tests.fakes.libvirt_namespace import QEMU_CONF


def visit(root: Path) -> dict[str, object]:
    """Start a guest, look at it, grow it, listen, go; return what was seen."""
    (root / "etc").mkdir()
    (root / "etc/qemu.conf").write_text(QEMU_CONF)
    uri = f"qemu:///embed?root={root}"
    heard: list[str] = []
    started = threading.Event()
    hypervisor = LibvirtHypervisor(uri, clock=RealClock())

    def listen(event: DomainEvent) -> None:
        heard.append(event.kind)
        if event.kind is DomainEventKind.STARTED:
            started.set()

    hypervisor.subscribe(listen)
    seen: dict[str, object] = {"empty": len(hypervisor.domains())}
    ensure_event_loop()
    administrator = libvirt.open(uri)
    guest = administrator.createXML(bare_qemu_domain("bare", vcpus=1, maximum=4), 0)
    try:
        started.wait(5)
        (before,) = hypervisor.domains()
        hypervisor.plug(before.id, expect=1, target=3)
        (after,) = hypervisor.domains()
        seen |= {
            "before": before.plugged,
            "after": after.plugged,
            "maximum": after.maximum,
            "state": after.state,
            "delay_s": after.vcpu_delay_s,
            "versions": hypervisor.versions(),
            "heard": heard,
        }
        try:
            LibvirtHypervisor("qemu:///embed?root=/elsewhere", clock=RealClock()).domains()
        except AutoscalerError as error:
            seen["second_folder"] = str(error)
        hypervisor.close()
        seen["runs_after_close"] = bool(guest.isActive())
    finally:
        guest.destroy()
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(visit(Path(sys.argv[1]))))
