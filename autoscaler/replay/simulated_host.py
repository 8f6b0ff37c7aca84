"""A host whose guests are rows of a plant: the ports of the service, over a simulation that the real one runs on.

Guests are sampled where a step ends. A call takes simulated time: what it does is true at its end, and
`take_duration` says when that is. Guests boot once and never stop.

Invariants: a guest never runs more vCPUs than are plugged, nor plugs more than its maximum; what a guest that
does not answer would have said is told to nobody.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import NAMESPACE_DNS, uuid5

from autoscaler.core.acpi import SlotReport, SlotReports
from autoscaler.core.model import (
    MOST_VCPUS,
    CpuSource,
    DomainId,
    DomainView,
    GuestVcpu,
    GuestVcpus,
    HostView,
    RunState,
    Sample,
)
from autoscaler.ports import AgentRefused, AgentUnresponsive, Conflict, Denied

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.core.model import DomainEvent
    from autoscaler.ports import Clock
    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.plant import Plant
    from autoscaler.replay.readings import Readings
    from autoscaler.replay.trace import Trace

REFUSES_FOR_S = 60.0
"""A guest that refuses to bring vCPUs online, or to take them offline, does so for this long."""
EJECTS_AFTER_S = 0.2
"""From the request for a vCPU until a guest that does not refuse has given it back."""
_REFUSED = SlotReport(source=0x103, status=0x82, at_s=0.0)
"""ACPI's word for a vCPU that is busy."""


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
        self._vcpus = MOST_VCPUS if vcpus is None else vcpus
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
            online=_ids(said.online[row]),
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

    def troubles(self) -> Mapping[str, str]:
        """Every guest is shown."""
        return {}

    def subscribe(self, listener: Callable[[DomainEvent], None]) -> None:
        """Nothing ever happens between two sweeps."""

    def close(self) -> None:
        """The guests stay as they are."""


class SimulatedGuest:
    """One row of a plant, and the QEMU around it."""

    def __init__(self, row: int, trace: Trace, plant: Plant, *, host: str, circumstances: Circumstances) -> None:
        self.row = row
        self.id = DomainId(host, uuid_of(trace.domain))
        self.silence = AgentUnresponsive(f"the agent of domain {trace.domain!r} did not answer in time")
        self._name = trace.domain
        self._maximum = trace.maximum
        self._plant = plant
        self._chances = circumstances.chances(trace.domain)
        self._plugged = self._online = self._listed = int(plant.online[row])
        self._online_before = self._online
        self._online_at_s = self._listed_at_s = self._refuses_until_s = 0.0
        self._gone_at_s: float | None = None
        """When the vCPU that was asked for goes; None: none was."""
        self._reports = SlotReports()

    def view(self, now_s: float, ran_s: float, delayed_s: float) -> DomainView:
        """What the host sees of it; its vCPU threads have run and waited for so long."""
        self._let_go(now_s)
        return DomainView(
            id=self.id,
            name=self._name,
            state=RunState.RUNNING,
            plugged=self._plugged,
            maximum=self._maximum,
            at_s=now_s,
            vcpu_time_s=ran_s,
            vcpu_delay_s=delayed_s,
            slots=_ids(self._plugged),
            reports=self._reports,
        )

    def shows(self, at_s: float) -> GuestVcpus:
        """The vCPUs that its kernel lists, as it will at a time that nothing changes before."""
        self._let_go(at_s)
        present = self._plugged if at_s >= self._listed_at_s else self._listed
        return _shown(present, self._online if at_s >= self._online_at_s else self._online_before)

    def plug(self, expect: int, target: int, now_s: float) -> None:
        self._let_go(now_s)
        if self._plugged != expect:
            raise Conflict(f"domain {self._name!r} has {self._plugged} vCPUs plugged, not {expect}")
        if target > self._maximum:
            raise Denied(
                f"domain {self._name!r} cannot have {target} vCPUs, its maximum is {self._maximum}"
            )
        if now_s >= self._listed_at_s:
            self._listed = self._plugged
        self._plugged, self._listed_at_s = target, now_s + self._chances.plugged_s()

    def set_online(self, target: int, now_s: float) -> float:
        """Returns how long that takes."""
        self._let_go(now_s)
        target = min(max(target, 1), self._plugged)
        if target == self._online:
            return 0.0
        takes_s = self._takes_s(target, now_s)
        self._online_before, self._online, self._online_at_s = self._online, target, now_s + takes_s
        self._plant.move(self.row, target, self._online_at_s)
        return takes_s

    def unplug(self, expect: int, target: int, now_s: float) -> int | None:
        self._let_go(now_s)
        if self._plugged <= target:
            return None
        if self._plugged != expect:
            raise Conflict(f"domain {self._name!r} has {self._plugged} vCPUs plugged, not {expect}")
        if target < expect - 1 or self._online > target:
            raise Denied(f"domain {self._name!r} cannot go to {target} vCPUs by giving back one it does not run")
        if self._chances.refuses_removal():
            self._report(target, now_s)
        else:
            self._gone_at_s = now_s + EJECTS_AFTER_S
        return target

    def _takes_s(self, target: int, now_s: float) -> float:
        if now_s < self._refuses_until_s:
            raise AgentRefused(f"the guest of domain {self._name!r} refuses to run another count of vCPUs")
        grows = target > self._online
        if self._chances.refuses_onlining() if grows else self._chances.refuses_offlining():
            self._refuses_until_s = now_s + REFUSES_FOR_S
            raise AgentRefused(f"the guest of domain {self._name!r} refuses to run {target} vCPUs")
        if not grows:
            return self._chances.offline_s()
        return self._listed_at_s - now_s if self._listed_at_s > now_s else self._chances.warm_s()

    def _let_go(self, now_s: float) -> None:
        """Have the vCPU be gone that was asked for, when its time has come."""
        if self._gone_at_s is not None and now_s >= self._gone_at_s:
            self._plugged, self._gone_at_s = self._plugged - 1, None
            self._listed = self._plugged

    def _report(self, slot: int, now_s: float) -> None:
        report = SlotReport(source=_REFUSED.source, status=_REFUSED.status, at_s=now_s)
        self._reports = SlotReports(
            last={**self._reports.last, slot: report},
            taken=self._reports.taken + 1,
            dropped=self._reports.dropped,
        )


def uuid_of(domain: str) -> str:
    """The UUID of a domain that is known by its name alone."""
    return str(uuid5(NAMESPACE_DNS, domain))


@lru_cache(maxsize=4096)
def _ids(count: int) -> frozenset[int]:
    return frozenset(range(count))


@lru_cache(maxsize=4096)
def _shown(present: int, online: int) -> GuestVcpus:
    return GuestVcpus(
        tuple(
            GuestVcpu(logical_id=number, online=number < online, can_offline=number > 0)
            for number in range(present)
        )
    )
