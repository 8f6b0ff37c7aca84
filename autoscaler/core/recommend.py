"""Strategies: from a load to the number of vCPUs that would serve it, before any limit.

A strategy answers what it would do and what its memory would keep; holding back is `stabilize`'s work.

Invariant: asking changes nothing. What is to be remembered of an answer is noted apart, so that a policy can
be tried on a domain without a trace.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final, Protocol

from autoscaler.core.adaptive import Adaptive, AdaptiveTrace
from autoscaler.core.model import BOUNDLESS_VCPUS
from autoscaler.core.policy import TargetStrategy
from autoscaler.core.reason import Reason
from autoscaler.core.rounding import ROUNDING

if TYPE_CHECKING:
    from autoscaler.core.demand import Load
    from autoscaler.core.policy import Policy
    from autoscaler.core.slo import SliceOutcome


@dataclass(slots=True, init=False, unsafe_hash=True)
class TargetTrace:
    """What strategy `target` reckoned with."""

    demand_vcpus: Final[float]
    utilization_ratio: Final[float]
    """The one to keep."""
    hold_s: Final[float]

    def __init__(
        self,
        *,
        demand_vcpus: float,
        utilization_ratio: float,
        hold_s: float,
    ) -> None:
        self.demand_vcpus = demand_vcpus
        self.utilization_ratio = utilization_ratio
        self.hold_s = hold_s


Trace = TargetTrace | AdaptiveTrace


@dataclass(slots=True, init=False, unsafe_hash=True)
class Recommendation:
    """vCPUs wanted, and why."""

    vcpus: Final[int]
    reason: Final[Reason]
    held_vcpus: Final[int]
    """The most that the strategy's memory would keep, of those online; 0: it has no say."""
    trace: Final[Trace | None]
    """None: no strategy was asked, for there was no load."""

    def __init__(
        self,
        *,
        vcpus: int,
        reason: Reason,
        held_vcpus: int = 0,
        trace: Trace | None = None,
    ) -> None:
        self.vcpus = vcpus
        self.reason = reason
        self.held_vcpus = held_vcpus
        self.trace = trace


class Recommender(Protocol):
    """A strategy with what it remembers of one domain."""

    def first_saw(self, online: int, at_s: float) -> None:
        """Take what a domain runs as wanted now, for nobody knows better."""
        ...

    def take(self, load: Load, now_s: float) -> None:
        """Take in a new measurement."""
        ...

    def judge(self, outcome: SliceOutcome, now_s: float) -> None:
        """Take in how a slice of the service level came out."""
        ...

    def recommend(self, load: Load, upper: int, now_s: float) -> Recommendation:
        """What this load asks for, and what is kept of at most `upper` vCPUs; changes nothing."""
        ...

    def note(self, vcpus: int, now_s: float) -> None:
        """Remember that the load wanted so many vCPUs now, of those that it may have."""
        ...


def recommender(policy: Policy, now_s: float, *, lag_s: float) -> Recommender:
    """The policy's strategy, knowing nothing yet; `lag_s`: the time seen from decisions to vCPUs online."""
    if isinstance(policy.strategy, TargetStrategy):
        return ByTarget(policy.strategy)
    return ByBudget(Adaptive(policy.strategy, policy.sla, now_s, lag_s))


class ByTarget:
    """Strategy `target`, which remembers its recommendations for the hold time."""

    def __init__(self, strategy: TargetStrategy) -> None:
        self._strategy = strategy
        self._hold = Hold()

    def first_saw(self, online: int, at_s: float) -> None:
        """Hold it as if it had been recommended; see `Recommender`."""
        self._hold.note(at_s, online)

    def take(self, load: Load, now_s: float) -> None:
        """Nothing: the load of this tick is all that counts."""

    def judge(self, outcome: SliceOutcome, now_s: float) -> None:
        """Nothing: the target is stated."""

    def recommend(self, load: Load, upper: int, now_s: float) -> Recommendation:  # noqa: ARG002 - stated for all
        """See `Recommender`."""
        vcpus, reason = by_target(load, self._strategy)
        hold_s = self._strategy.hold_s
        return Recommendation(
            vcpus=vcpus,
            reason=reason,
            held_vcpus=max(vcpus, self._hold.highest(now_s, hold_s)),
            trace=TargetTrace(
                demand_vcpus=load.demand_vcpus,
                utilization_ratio=self._strategy.utilization_ratio,
                hold_s=hold_s,
            ),
        )

    def note(self, vcpus: int, now_s: float) -> None:
        """See `Recommender`."""
        self._hold.note(now_s, vcpus)


class ByBudget:
    """Strategy `adaptive`; see `autoscaler.core.adaptive`."""

    def __init__(self, adaptive: Adaptive) -> None:
        self.adaptive = adaptive

    def first_saw(self, online: int, at_s: float) -> None:
        """See `Recommender`."""
        self.adaptive.resized_to(online, at_s)

    def take(self, load: Load, now_s: float) -> None:
        """See `Recommender`."""
        self.adaptive.take(load, now_s)

    def judge(self, outcome: SliceOutcome, now_s: float) -> None:
        """See `Recommender`."""
        self.adaptive.judge(outcome, now_s)

    def recommend(self, load: Load, upper: int, now_s: float) -> Recommendation:
        """See `Recommender`."""
        vcpus = self.adaptive.want(1, BOUNDLESS_VCPUS)
        trace = self.adaptive.trace(min(vcpus, upper), now_s)
        return Recommendation(
            vcpus=vcpus, reason=_direction(vcpus, load.online), held_vcpus=trace.target, trace=trace
        )

    def note(self, vcpus: int, now_s: float) -> None:
        """See `Recommender`."""
        self.adaptive.note(vcpus, now_s)


class Hold:
    """Remembers recommendations, so that the highest of the hold time keeps the target up."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        """Times and figures, falling: a figure is forgotten once a later one is as high."""

    def note(self, now_s: float, vcpus: int) -> None:
        """Remember a recommendation."""
        while self._seen and self._seen[-1][1] <= vcpus:
            self._seen.pop()
        self._seen.append((now_s, vcpus))

    def highest(self, now_s: float, hold_s: float) -> int:
        """The highest of the last `hold_s`; 0 where there was none."""
        while self._seen and now_s - self._seen[0][0] > hold_s:
            self._seen.popleft()
        return self._seen[0][1] if self._seen else 0


def by_target(load: Load, strategy: TargetStrategy) -> tuple[int, Reason]:
    """The rule of the Kubernetes HorizontalPodAutoscaler, on vCPUs: ceil(demand / target utilisation).

    Inside the tolerance of the target the vCPUs online are right as they are; at saturation there is no
    tolerance for too few of them, for demand is only known to be at least so high.
    """
    wanted = max(1, ceil(load.demand_vcpus / strategy.utilization_ratio - ROUNDING))
    usage = load.demand_vcpus / (load.online * strategy.utilization_ratio)
    within = abs(usage - 1) <= strategy.tolerance_ratio
    if wanted != load.online and within and (wanted < load.online or not load.saturated):
        return load.online, Reason.TOLERANCE
    return wanted, _direction(wanted, load.online)


def _direction(wanted: int, online: int) -> Reason:
    if wanted == online:
        return Reason.STEADY
    return Reason.DEMAND_HIGH if wanted > online else Reason.DEMAND_LOW
