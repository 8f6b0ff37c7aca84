"""The three ports over one domain of a real libvirt and QEMU whose guest is played: its firmware by qtest,
its kernel and agent by `SimulatedGuest`.

So the real controller can be driven, on a simulated clock, over whatever libvirt and QEMU really do when a
vCPU comes or goes. What the guest has is what its firmware shows; what it uses is the test's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor
from autoscaler.core.model import DomainEvent, DomainId, DomainView, RunState
from tests.fakes.acpi_guest import ENABLED, REMOVING, AcpiGuest
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost


class PlayedGuest(SimulatedGuest):
    """A guest that lists what its firmware shows, and gives back what it is asked for."""

    def __init__(self, name: str, clock: SimulatedClock, firmware: AcpiGuest, *, id_: DomainId) -> None:
        super().__init__(name, clock, maximum=4)
        self._firmware = firmware
        self._id = id_

    @property
    def id(self) -> DomainId:
        return self._id

    def advance(self) -> None:
        """Look at the firmware, as its kernel does when it is told of a change."""
        super().advance()
        for slot, flags in enumerate(self._firmware.flags(range(2 * self.maximum))):
            if flags & REMOVING and self.ejects_after_s == 0:
                self.eject(slot)
                self._firmware.eject(slot)
            elif flags & ENABLED and slot not in self.slots:
                self.slots.add(slot)
                self._listed_at_s[slot] = self.clock.now_s
            elif not flags & ENABLED and slot in self.slots:
                self.eject(slot)


class PlayedHost(SimulatedHost):
    """One domain, through the real backend."""

    def __init__(self, clock: SimulatedClock, guest: PlayedGuest, hypervisor: LibvirtHypervisor) -> None:
        super().__init__(clock, [guest], label=hypervisor.label)
        self._guest_here = guest
        self._hypervisor = hypervisor

    def domains(self) -> Sequence[DomainView]:
        """What libvirt tells; the machine itself is never started, and its threads' time is the guest's.

        That QEMU emulates it is kept back: a guest that is known to be emulated is asked for no vCPU.
        """
        ran_s, delayed_s = self._guest_here.threads_s()
        return [
            replace(view, state=RunState.RUNNING, vcpu_time_s=ran_s, vcpu_delay_s=delayed_s, emulated=None)
            for view in self._hypervisor.domains()
        ]

    def plug(self, domain: DomainId, *, expect: int, target: int) -> None:
        self._hypervisor.plug(domain, expect=expect, target=target)
        self._guest_here.plugs.append(target)

    def unplug(self, domain: DomainId, *, expect: int, target: int) -> int | None:
        slot = self._hypervisor.unplug(domain, expect=expect, target=target)
        if slot is not None:
            self._guest_here.unplugs.append(slot)
        return slot

    def subscribe(self, listener: Callable[[DomainEvent], None]) -> None:
        self._hypervisor.subscribe(listener)
