"""What one host has to give, and its arbiter's answer to the domains that ask for it.

Invariant: what a domain runs counts against the host until it is seen to run less, whether a policy governs
it or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.core.arbiter import Capacity, arbitrate, host_vcpus
from autoscaler.core.delay import OnlineDelay
from autoscaler.core.rate import ChangeRate
from autoscaler.core.stabilize import STEAL_LIMIT_RATIO

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from autoscaler.core.arbiter import Grant, Request
    from autoscaler.core.demand import Load
    from autoscaler.core.model import DomainId, HostView
    from autoscaler.service.settings import HostLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class HostShares:
    """A host's vCPUs at one moment, for people and metrics."""

    cpus: int | None
    """Online logical CPUs; None: the host has not said."""
    capacity_vcpus: int | None
    """The most vCPUs that its guests may run together; None: not known."""
    committed_vcpus: int
    """What its running domains have, or will have once the growth under way is done."""
    pressure_ratio: float | None
    """Share of the last 10 s in which tasks of the host waited for a CPU; None: not visible."""
    steal_ratio: float | None
    """Share of all its governed guests' vCPU time that it withheld; None: no guest was measured."""
    pressed: bool
    """Whether the two together keep every guest from growing."""


class Shares:
    """The arbiter of one host, over time."""

    def __init__(self, limits: HostLimits) -> None:
        self._limits = limits
        self._rate = ChangeRate(limits.operations_per_minute)
        self._machine: HostView | None = None
        self._steal_ratio: float | None = None
        self._others_vcpus = 0
        self.delay = OnlineDelay()
        """How long growth takes here."""

    def see(self, machine: HostView | None, *, others_vcpus: int) -> None:
        """Take in what a sweep found: the host, and the vCPUs of the domains that no policy governs."""
        self._machine, self._others_vcpus = machine or self._machine, others_vcpus

    def feel(self, loads: Iterable[Load]) -> None:
        """Take in what its guests measured: how much of their vCPUs' time the host withheld."""
        steal_vcpus = online = 0.0
        for load in loads:
            steal_vcpus, online = steal_vcpus + load.steal_vcpus, online + load.online
        self._steal_ratio = steal_vcpus / online if online else None

    def grants(self, requests: Collection[Request], now_s: float) -> dict[DomainId, Grant]:
        """What each domain gets of what it asks for."""
        total = self._capacity_vcpus()
        capacity = Capacity(
            vcpus=None if total is None else max(0, total - self._others_vcpus),
            pressed=self._pressed(),
            changes_left=self._rate.left(now_s),
        )
        return arbitrate(list(requests), capacity)

    def used(self, changes: int, now_s: float) -> None:
        """So many changes begin."""
        self._rate.used(changes, now_s)

    def now(self, running_vcpus: Iterable[int]) -> HostShares:
        """How the host stands, its governed domains having so many vCPUs each."""
        machine = self._machine
        return HostShares(
            cpus=None if machine is None else machine.cpus,
            capacity_vcpus=self._capacity_vcpus(),
            committed_vcpus=self._others_vcpus + sum(running_vcpus),
            pressure_ratio=None if machine is None else machine.pressure_ratio,
            steal_ratio=self._steal_ratio,
            pressed=self._pressed(),
        )

    def _capacity_vcpus(self) -> int | None:
        if self._machine is None:
            return None
        limits = self._limits
        return host_vcpus(self._machine.cpus, overcommit=limits.overcommit, reserve=limits.reserve)

    def _pressed(self) -> bool:
        """Whether tasks of the host wait, and its guests' vCPUs are among them.

        On a host with many CPUs some task nearly always waits a little: that alone is no reason to hold
        anybody back.
        """
        pressure_ratio = None if self._machine is None else self._machine.pressure_ratio
        if pressure_ratio is None or self._steal_ratio is None:
            return False
        return pressure_ratio > self._limits.pressure_below_ratio and self._steal_ratio > STEAL_LIMIT_RATIO
