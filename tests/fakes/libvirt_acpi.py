"""One visit of the backend to a domain whose guest's ACPI is played, through libvirt's embedded driver, as a
program: it prints what it saw as one JSON object.

In a process of its own for the reasons that libvirt_embedded.py gives.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import libvirt

from autoscaler.backends.libvirt.events import EventFeed
from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor
from autoscaler.backends.libvirt.loop import ensure_event_loop
from autoscaler.core.model import DomainEvent, DomainView
from autoscaler.errors import AutoscalerError
from tests.fakes.acpi_guest import IN_PROGRESS, REFUSED, AcpiGuest, kvm_opens
from tests.fakes.libvirt_domains import RealClock
from tests.fakes.libvirt_namespace import QEMU_CONF

FLOOD = 10_000


def definition(qtest: Path, *, kvm: bool, maximum: int = 4) -> str:
    """A domain with 1 of so many vCPUs, all but the first able to go, and a qtest socket."""
    vcpus = "".join(
        f"<vcpu id='{number}' enabled='{'no' if number else 'yes'}' "
        f"hotpluggable='{'yes' if number else 'no'}'/>"
        for number in range(maximum)
    )
    return (
        f"<domain type='{'kvm' if kvm else 'qemu'}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
        f"<name>acpi</name><memory unit='MiB'>64</memory><vcpu current='1'>{maximum}</vcpu>"
        f"<vcpus>{vcpus}</vcpus><os><type arch='x86_64' machine='q35'>hvm</type></os>"
        f"<features><acpi/></features><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
        f"<controller type='usb' model='none'/><memballoon model='none'/></devices>"
        f"<qemu:commandline><qemu:arg value='-qtest'/>"
        f"<qemu:arg value='unix:{qtest},server=on,wait=off'/></qemu:commandline></domain>"
    )


class Visit:
    """The backend's view of the one domain there is."""

    def __init__(self, hypervisor: LibvirtHypervisor) -> None:
        self.hypervisor = hypervisor
        self.events: list[str] = []
        hypervisor.subscribe(self._heard)

    def _heard(self, event: DomainEvent) -> None:
        self.events.append(event.kind)

    @property
    def view(self) -> DomainView:
        (view,) = self.hypervisor.domains()
        return view

    def unplug(self) -> tuple[object, float]:
        """Ask for one vCPU: the slot or the error's name, and how long that took."""
        view, began_s = self.view, time.monotonic()
        found: object
        try:
            found = self.hypervisor.unplug(view.id, expect=view.plugged, target=view.plugged - 1)
        except AutoscalerError as error:
            found = type(error).__name__
        return found, time.monotonic() - began_s

    def until(self, holds: Callable[[DomainView], bool]) -> DomainView:
        """The first view of which that is true, or the last within 5 s."""
        end_s = time.monotonic() + 5
        while not holds(view := self.view) and time.monotonic() < end_s:
            time.sleep(0.02)
        return view


def look(visit: Visit, guest: AcpiGuest, overheard: list[str], *, kvm: bool) -> dict[str, object]:
    """Grow the domain and ask for its vCPUs, its guest behaving in one way after the other.

    `overheard`: what is heard of libvirt's own events alone, QEMU's left out.
    """
    seen: dict[str, object] = {"kvm": kvm}
    visit.hypervisor.plug(visit.view.id, expect=1, target=4)
    seen["too_early"], _ = visit.unplug()
    guest.boot()
    seen["silent"], seen["silent_s"] = visit.unplug()
    seen["silent_plugged"] = visit.view.plugged
    guest.report(3, REFUSED)
    refused = visit.until(lambda view: 3 in view.reports.last)
    seen["refused"] = refused.reports.last[3].meaning if refused.reports.last else None
    guest.report(3, IN_PROGRESS, times=FLOOD)
    flooded = visit.until(lambda view: view.reports.taken + view.reports.dropped > FLOOD).reports
    seen |= {"flood_taken": flooded.taken, "flood_dropped": flooded.dropped}
    descriptors = visit.view.descriptors
    seen["descriptors"] = None if descriptors is None else descriptors.open
    if kvm:
        visit.events.clear()
        overheard.clear()
        guest.eject(3)
        seen["late"] = sorted(visit.until(lambda view: view.plugged == 3).slots or ())
        seen["late_heard"] = list(visit.events)
        seen["late_overheard"] = list(overheard)
        threading.Timer(0.5, lambda: guest.eject(2)).start()
        seen["prompt"], seen["prompt_s"] = visit.unplug()
        seen["prompt_plugged"] = visit.until(lambda view: view.plugged == 2).plugged
        guest.eject(1)
        seen["unasked"] = sorted(visit.until(lambda view: view.plugged == 1).slots or ())
        visit.hypervisor.plug(visit.view.id, expect=1, target=3)
        seen["grown_again"] = sorted(visit.view.slots or ())
    return seen


def listen(uri: str, guest: AcpiGuest) -> dict[str, object]:
    """What two fresh backends that change nothing hear of a report: one only looks, the next listens."""
    with closing(LibvirtHypervisor(uri, clock=RealClock())) as hypervisor:
        looking = Visit(hypervisor)
        guest.report(0, REFUSED)
        unheard = [looking.view.reports.taken for _ in range(5)][-1]
    with closing(LibvirtHypervisor(uri, clock=RealClock())) as hypervisor:
        listening = Visit(hypervisor)
        hypervisor.hear_firmware()
        guest.report(0, REFUSED)
        heard = listening.until(lambda view: view.reports.taken > 0).reports
    return {"looking": unheard, "listening": sorted(heard.last)}


def visit(root: Path) -> dict[str, object]:
    """Start the domain, look at it, end it."""
    (root / "etc").mkdir()
    (root / "etc/qemu.conf").write_text(QEMU_CONF)
    uri, qtest, kvm = f"qemu:///embed?root={root}", root / "qt", kvm_opens()
    ensure_event_loop()
    administrator = libvirt.open(uri)
    # Not started: see acpi_guest.py.
    domain = administrator.createXML(definition(qtest, kvm=kvm), libvirt.VIR_DOMAIN_START_PAUSED)
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(qtest))
        with (
            closing(AcpiGuest(connection)) as guest,
            closing(LibvirtHypervisor(uri, clock=RealClock())) as hypervisor,
        ):
            overheard: list[str] = []
            feed = EventFeed(uri, metadata_changed=lambda _: None)
            feed.subscribe(lambda event: overheard.append(event.kind))
            feed.attach(administrator)
            seen = look(Visit(hypervisor), guest, overheard, kvm=kvm)
            feed.detach(administrator)
            hypervisor.close()
            seen |= listen(uri, guest)
            seen["taints"] = domain.messages(libvirt.VIR_DOMAIN_MESSAGE_TAINTING)
            return seen
    finally:
        domain.destroy()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(visit(Path(sys.argv[1]))))
