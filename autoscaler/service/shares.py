"""What one host has to give, and its arbiter's answer to the domains that ask for it.

Two brakes keep every guest of a host from growing. One is the guests' own delay: what the host withheld from
their vCPUs that wanted to run. The other is the host's pressure. On a host with many CPUs some task nearly
always waits a little, so pressure counts as long as the guests do not show that it passes them by.

Invariant: what a domain runs counts against the host until it is seen to run less, whether a policy governs
it or not, and by whichever connection it is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.core.arbiter import Capacity, arbitrate, host_vcpus, settled
from autoscaler.core.deadlines import Deadlines
from autoscaler.core.delay import OnlineDelay
from autoscaler.core.operation import Direction
from autoscaler.core.rate import ChangeRate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from autoscaler.core.arbiter import Grant, Request
    from autoscaler.core.deadlines import DeadlineSettings
    from autoscaler.core.demand import Load
    from autoscaler.core.model import DomainId, HostView
    from autoscaler.core.operation import Operation
    from autoscaler.service.settings import HostLimits


_FELT_RATIO = 0.02
"""Below this share of withheld time the guests of a host do not feel its pressure."""


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
    deadlines_s: Mapping[str, float]
    """After how long a change is stuck that has not come to a stage."""
    pressed: str
    """Which brake keeps every guest from growing, with its figures; empty: none does."""


class Shares:
    """The arbiter of one host, over time."""

    def __init__(self, limits: HostLimits, deadlines: DeadlineSettings) -> None:
        self._limits = limits
        self._rate = ChangeRate(limits.operations_per_minute)
        self._removals = ChangeRate(limits.removals_per_minute)
        self._machine: HostView | None = None
        self._steal_ratio: float | None = None
        self._others_vcpus: dict[str, int] = {}
        """By connection."""
        self.delay = OnlineDelay()
        """How long growth takes here."""
        self.deadlines = Deadlines(deadlines)
        """How long each stage of a change may take here."""

    def learn(self, operation: Operation) -> None:
        """Take in how long a change took that ended."""
        self.deadlines.note_all(operation)
        if operation.direction is Direction.UP and operation.online_s is not None and not operation.held:
            self.delay.note(operation.online_s - operation.requested_s)

    def see(self, label: str, machine: HostView | None, *, others_vcpus: int) -> None:
        """Take in what one connection's sweep found: the host, and the vCPUs that no policy governs."""
        self._machine = machine or self._machine
        self._others_vcpus[label] = others_vcpus

    def feel(self, loads: Iterable[Load]) -> None:
        """Take in what its guests measured: how much of their vCPUs' time the host withheld."""
        steal_vcpus = online = 0.0
        for load in loads:
            steal_vcpus, online = steal_vcpus + load.steal_vcpus, online + load.online
        self._steal_ratio = steal_vcpus / online if online else None

    def has_plenty(self, most_vcpus: int, changes: int, now_s: float) -> bool:
        """Whether nobody who asks need be weighed against others, for there is enough of everything for all.

        Args:
            most_vcpus: what all governed domains together may ever ask for.
            changes: how many would begin one now.
            now_s: `Clock.monotonic_s`.
        """
        total = self._capacity_vcpus()
        enough = total is None or most_vcpus + self._ungoverned_vcpus <= total
        return enough and changes <= self._rate.left(now_s) and not self._pressed()

    def grants(self, requests: Collection[Request], now_s: float) -> dict[DomainId, Grant]:
        """What each governed domain gets of what it asks for."""
        total = self._capacity_vcpus()
        left = None if total is None else max(0, total - self._ungoverned_vcpus)
        return arbitrate(list(requests), self._capacity(left, self._rate.left(now_s)))

    def settled(self, requests: Collection[Request]) -> dict[DomainId, Grant]:
        """What every running domain would have in the end, if each went on asking for the same."""
        return settled(list(requests), self._capacity(self._capacity_vcpus(), len(requests)))

    def changes_one(self, now_s: float) -> None:
        """A growth or a shrink begins now, and counts against those of a minute."""
        self._rate.used(now_s)

    def may_unplug(self, now_s: float) -> bool:
        """Whether another vCPU may be asked back now."""
        return self._removals.left(now_s) > 0

    def asks_back_one(self, now_s: float) -> None:
        """A vCPU is asked back now, and counts against those of a minute."""
        self._removals.used(now_s)

    def now(self, running_vcpus: Iterable[int]) -> HostShares:
        """How the host stands, its governed domains having so many vCPUs each."""
        machine = self._machine
        return HostShares(
            cpus=None if machine is None else machine.cpus,
            capacity_vcpus=self._capacity_vcpus(),
            committed_vcpus=self._ungoverned_vcpus + sum(running_vcpus),
            pressure_ratio=self._pressure_ratio,
            steal_ratio=self._steal_ratio,
            deadlines_s=self.deadlines.in_force_s,
            pressed=self._pressed(),
        )

    def _capacity(self, vcpus: int | None, changes_left: int) -> Capacity:
        return Capacity(vcpus=vcpus, pressed=self._pressed(), changes_left=changes_left)

    def _capacity_vcpus(self) -> int | None:
        if self._machine is None:
            return None
        limits = self._limits
        return host_vcpus(self._machine.cpus, overcommit=limits.overcommit, reserve=limits.reserve)

    @property
    def _ungoverned_vcpus(self) -> int:
        return sum(self._others_vcpus.values())

    @property
    def _pressure_ratio(self) -> float | None:
        return None if self._machine is None else self._machine.pressure_ratio

    def _pressed(self) -> str:
        limits, withheld, pressure = self._limits, self._steal_ratio, self._pressure_ratio
        if withheld is not None and withheld > limits.delay_below_ratio:
            return (
                f"the host withholds {withheld:.0%} of its guests' time, "
                f"{limits.delay_below_ratio:.0%} is the limit"
            )
        felt = withheld is None or withheld > _FELT_RATIO
        if felt and pressure is not None and pressure > limits.pressure_below_ratio:
            return (
                f"tasks of the host waited for a CPU in {pressure:.0%} of the last 10 s, "
                f"{limits.pressure_below_ratio:.0%} is the limit"
            )
        return ""
