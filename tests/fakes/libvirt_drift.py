"""Stories of the real controller where libvirt hears late that a vCPU is gone, as a program;
it prints what it saw as one JSON object.

Under emulation (QEMU 11.1, libvirt 12.8) a vCPU that the guest gave back is gone for QEMU at once; libvirt
hears of it with the next plug, or when it asks for it anew: what a plug ends with is not what was asked for.

In a process of its own for the reasons that libvirt_embedded.py gives.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import libvirt

from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor
from autoscaler.backends.libvirt.loop import ensure_event_loop
from autoscaler.core.model import DomainId
from autoscaler.core.orders import Order, OrderKind
from autoscaler.core.policy import DownLimits, Match, Policy, Reclaim, TargetStrategy
from tests.fakes.acpi_guest import AcpiGuest
from tests.fakes.libvirt_acpi import definition
from tests.fakes.libvirt_namespace import QEMU_CONF
from tests.fakes.played_host import PlayedGuest, PlayedHost
from tests.fakes.simulated_guest import SimulatedClock
from tests.fakes.simulation import Simulation

POLICY = Policy(
    name="giving back",
    match=Match(name=("acpi",)),
    max_vcpus=4,
    strategy=TargetStrategy(utilization_ratio=0.70, tolerance_ratio=0.10, hold_s=10),
    down=DownLimits(step_vcpus=1, cooldown_s=5, reclaim=Reclaim.UNPLUG),
)


class Drift:
    """One domain that grew to 3 vCPUs and has given the highest back, of which libvirt knows nothing."""

    def __init__(self, simulation: Simulation, guest: PlayedGuest) -> None:
        self.simulation = simulation
        self.guest = guest
        self.counts: list[int] = []
        """The plugged vCPUs that the service saw, each change of them."""
        self.conditions: set[str] = set()
        guest.set(ejects_after_s=0)
        self.run(3)
        guest.set(demand=1.8)
        self.run(10)
        guest.set(demand=0.2)
        self.run(30)
        self.before = {
            "plugged": self.counts[-1],
            "listed": sorted(guest.listed()),
            "asked": guest.unplugs[:],
        }
        self.counts, self.conditions = self.counts[-1:], set()

    def run(self, seconds: int) -> None:
        """Let so many intervals pass, each with time for libvirt's events to arrive."""
        for _ in range(seconds):
            self.simulation.run(1)
            time.sleep(0.02)
            shown = self.simulation.domain("acpi")
            self.conditions |= {str(condition) for condition in shown.conditions}
            if self.counts[-1:] != [shown.view.plugged]:
                self.counts.append(shown.view.plugged)

    def end(self) -> dict[str, object]:
        """What came of it."""
        return {
            "before": self.before,
            "counts": self.counts,
            "online": sorted(self.guest.online),
            "slots": sorted(self.simulation.domain("acpi").view.slots or ()),
            "conditions": sorted(self.conditions),
        }


def as_many(drift: Drift) -> None:
    """As many are needed as libvirt counts, one more than there are."""
    drift.guest.set(demand=1.8)
    drift.run(20)


def more(drift: Drift) -> None:
    """An administrator orders one more than libvirt counts: the plug brings the news of the one that went."""
    domain, now_s = drift.guest.id, drift.simulation.clock.wall_s()
    order = Order(domain=domain, name="acpi", kind=OrderKind.SET, vcpus=4, by_uid=0, at_wall_s=now_s)
    drift.simulation.controller.give(order)
    drift.run(20)


def idle(drift: Drift) -> None:
    """Nothing is needed: it is asked for once more in time."""
    drift.run(300)


@contextmanager
def drifted(folder: Path, uri: str, administrator: libvirt.virConnect) -> Iterator[Drift]:
    """A domain of its own, where it has come so far."""
    folder.mkdir()
    # Not started: see acpi_guest.py. Under emulation every vCPU thread that ever was counts for the maximum.
    xml = definition(folder / "qt", kvm=False, maximum=32)
    domain, clock = administrator.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED), SimulatedClock()
    try:
        qtest = socket.socket(socket.AF_UNIX)
        qtest.connect(str(folder / "qt"))
        with (
            closing(AcpiGuest(qtest)) as firmware,
            closing(LibvirtHypervisor(uri, clock=clock)) as hypervisor,
        ):
            firmware.boot()
            guest = PlayedGuest("acpi", clock, firmware, id_=DomainId(uri, domain.UUIDString()))
            host = PlayedHost(clock, guest, hypervisor)
            yield Drift(Simulation(host, [POLICY], folder=folder), guest)
    finally:
        domain.destroy()


def visit(root: Path) -> dict[str, object]:
    """Tell every story, each over a domain of its own."""
    (root / "etc").mkdir()
    (root / "etc/qemu.conf").write_text(QEMU_CONF)
    uri = f"qemu:///embed?root={root}"
    ensure_event_loop()
    stories: tuple[Callable[[Drift], None], ...] = (as_many, more, idle)
    seen: dict[str, object] = {}
    with closing(libvirt.open(uri)) as administrator:
        for story in stories:
            with drifted(root / story.__name__, uri, administrator) as drift:
                story(drift)
                seen[story.__name__] = drift.end()
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(visit(Path(sys.argv[1]))))
