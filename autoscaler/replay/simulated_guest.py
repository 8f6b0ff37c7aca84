"""One guest of a simulated host: what QEMU and the guest's kernel make of requests, around a row of a plant.

Invariants: a guest never runs more vCPUs than are plugged, nor are more plugged than its maximum; what was
asked for is true when its time has come, not before.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import NAMESPACE_DNS, uuid5

from autoscaler.core.acpi import SlotReport, SlotReports
from autoscaler.core.model import DomainId, DomainView, GuestVcpu, GuestVcpus, RunState
from autoscaler.errors import AgentRefused, AgentUnresponsive, Conflict, Denied

if TYPE_CHECKING:
    from autoscaler.core.policy import Policy, PolicySet
    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.plant import Plant
    from autoscaler.replay.trace import Trace

REFUSES_FOR_S = 60.0
"""A guest that refuses to bring vCPUs online, or to take them offline, does so for this long."""
EJECTS_AFTER_S = 0.2
"""From the request for a vCPU until a guest that does not refuse has given it back."""
_EJECTION, _BUSY = 0x103, 0x82
"""ACPI's words for a vCPU that its guest does not give back."""


class SimulatedGuest:
    """One row of a plant, and the QEMU around it."""

    def __init__(
        self, row: int, trace: Trace, plant: Plant, *, host: str, circumstances: Circumstances
    ) -> None:
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
            slots=ids_of(self._plugged),
            reports=self._reports,
        )

    def shows(self, at_s: float) -> GuestVcpus:
        """The vCPUs that its kernel lists, as it will at a time that nothing changes before."""
        self._let_go(at_s)
        present = self._plugged if at_s >= self._listed_at_s else self._listed
        return _shown(present, self._online if at_s >= self._online_at_s else self._online_before)

    def plug(self, expect: int, target: int, now_s: float) -> None:
        """See `Hypervisor.plug`."""
        self._let_go(now_s)
        if self._plugged != expect:
            raise Conflict(f"domain {self._name!r} has {self._plugged} vCPUs plugged, not {expect}")
        if target > self._maximum:
            raise Denied(f"domain {self._name!r} cannot have {target} vCPUs, its maximum is {self._maximum}")
        if now_s >= self._listed_at_s:
            self._listed = self._plugged
        self._plugged, self._listed_at_s = target, now_s + self._chances.plugged_s()

    def set_online(self, target: int, now_s: float) -> float:
        """See `GuestCpus.set_online`; returns how long that takes."""
        self._let_go(now_s)
        target = min(max(target, 1), self._plugged)
        if target == self._online:
            return 0.0
        takes_s = self._takes_s(target, now_s)
        self._online_before, self._online, self._online_at_s = self._online, target, now_s + takes_s
        self._plant.move(self.row, target, self._online_at_s)
        return takes_s

    def unplug(self, expect: int, target: int, now_s: float) -> int | None:
        """See `Hypervisor.unplug`."""
        self._let_go(now_s)
        if self._plugged <= target:
            return None
        if self._plugged != expect:
            raise Conflict(f"domain {self._name!r} has {self._plugged} vCPUs plugged, not {expect}")
        if target < expect - 1 or self._online > target:
            raise Denied(f"domain {self._name!r} cannot go to {target} vCPUs by giving one back")
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
        report = SlotReport(source=_EJECTION, status=_BUSY, at_s=now_s)
        self._reports = SlotReports(last={**self._reports.last, slot: report}, taken=self._reports.taken + 1)


def uuid_of(domain: str) -> str:
    """The UUID of a domain that is known by its name alone."""
    return str(uuid5(NAMESPACE_DNS, domain))


def policy_of(domain: str, policies: PolicySet) -> Policy | None:
    """The policy that governs such a domain; None: none does."""
    return policies.governing(domain, uuid_of(domain))


@lru_cache(maxsize=4096)
def ids_of(count: int) -> frozenset[int]:
    """Logical ids of so many vCPUs; the lowest are online."""
    return frozenset(range(count))


@lru_cache(maxsize=4096)
def _shown(present: int, online: int) -> GuestVcpus:
    return GuestVcpus(_listed(present, online=True)[:online] + _listed(present, online=False)[online:])


@lru_cache(maxsize=4096)
def _listed(present: int, *, online: bool) -> tuple[GuestVcpu, ...]:
    """So many vCPUs, all alike: of a large guest to list each anew would cost more than all else about it."""
    return tuple(
        GuestVcpu(logical_id=number, online=online, can_offline=number > 0) for number in range(present)
    )
