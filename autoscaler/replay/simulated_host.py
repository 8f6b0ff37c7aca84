"""A host whose guests are simulated: the ports that the real controller runs on in a replay.

Guests are sampled where a step ends. A call takes simulated time: what it does is true at its end, and
`take_duration` says when that is. Guests boot once and never stop.

Invariant: what a guest that does not answer would have said is told to nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.model import BOUNDLESS_VCPUS, CpuSource, HostView, Sample
from autoscaler.replay.simulated_guest import ids_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.core.model import DomainEvent, DomainId, DomainView, GuestVcpus
    from autoscaler.ports import Clock
    from autoscaler.replay.readings import Readings
    from autoscaler.replay.simulated_guest import SimulatedGuest


class SimulatedHost:
    """Some rows of a plant, as one connection sees them."""

    def __init__(
        self,
        label: str,
        guests: Sequence[SimulatedGuest],
        *,
        readings: Readings,
        clock: Clock,
        vcpus: int | None,
    ) -> None:
        """`vcpus`: what the host's CPUs can bear together; None: whatever is asked for."""
        self.label = label
        self._guests = {guest.id: guest for guest in guests}
        self._readings = readings
        self._clock = clock
        self._vcpus = BOUNDLESS_VCPUS if vcpus is None else vcpus
        self._duration_s = 0.0

    def take_duration(self) -> float:
        """How long the last call takes, told once; 0: it is over already."""
        duration_s, self._duration_s = self._duration_s, 0.0
        return duration_s

    def domains(self) -> Sequence[DomainView]:
        """Every guest."""
        said, now_s = self._readings.said, self._clock.monotonic_s()
        return [
            guest.view(now_s, said.busy_s[guest.row], said.steal_s[guest.row])
            for guest in self._guests.values()
        ]

    def sample(self, domain: DomainView, *, pressure: bool = False) -> Sample:
        """What a guest says, at the end of a step.

        Raises:
            AgentUnresponsive: it says nothing this time.
        """
        guest, said = self._guests[domain.id], self._readings.said
        row = guest.row
        if said.silent[row]:
            raise guest.silence
        return Sample(
            at_s=said.at_s,
            source=CpuSource.PROC_STAT,
            busy_s=said.busy_s[row],
            steal_s=said.steal_s[row],
            online=ids_of(said.online[row]),
            runnable=said.runnable[row],
            boot_s=0.0,
            pressure_s=said.waited_s[row] if pressure else None,
        )

    def plug(self, domain: DomainId, *, expect: int, target: int) -> None:
        """Have a guest find so many vCPUs, after a while.

        Raises:
            Conflict: not `expect` vCPUs were plugged.
            Denied: that is more than its maximum.
        """
        self._guests[domain].plug(expect, target, self._clock.monotonic_s())

    def unplug(self, domain: DomainId, *, expect: int, target: int) -> int | None:
        """Ask a guest for its highest vCPU.

        Raises:
            Conflict: not `expect` vCPUs were plugged.
            Denied: that is not one vCPU fewer, or the guest runs it.
        """
        return self._guests[domain].unplug(expect, target, self._clock.monotonic_s())

    def vcpus(self, domain: DomainId) -> GuestVcpus:
        """The vCPUs that a guest lists."""
        return self._guests[domain].shows(self._clock.monotonic_s())

    def set_online(self, domain: DomainId, *, target: int) -> GuestVcpus:
        """Have a guest run so many of the vCPUs that it lists, by the time that the call is over.

        Raises:
            AgentRefused: the guest does not do it for a while.
        """
        now_s = self._clock.monotonic_s()
        guest = self._guests[domain]
        self._duration_s = guest.set_online(target, now_s)
        return guest.shows(now_s + self._duration_s)

    def view(self) -> HostView:
        """The host itself: no task of its own ever waits."""
        return HostView(at_s=self._clock.monotonic_s(), cpus=self._vcpus, pressure_ratio=0.0)

    def hear_firmware(self) -> None:
        """What guests' firmware reports stands in every view."""

    def troubles(self) -> Mapping[str, str]:
        """Every guest is shown."""
        return {}

    def subscribe(self, listener: Callable[[DomainEvent], None]) -> None:
        """Nothing ever happens between two sweeps."""

    def close(self) -> None:
        """The guests stay as they are."""
