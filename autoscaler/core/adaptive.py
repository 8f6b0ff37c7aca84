"""The adaptive strategy: run each guest as tight as its own error budget and history allow.

How demand goes on from each level of it is learned (`learned_growth`), and a guest has enough for all but a
share of those ways. That share, the risk, follows the budget: each bad slice cuts it, good ones raise it
slowly. How long a vCPU is kept is learned per level (`learned_hold`). None needs training, and each is
explained in one sentence. A vCPU without which the present demand would break the promise counts as wanted
while it is online: else a steady demand would lose it and get it back, over and over, as the risk changes.

Invariant: risk and target stay within their limits; more bad slices never raise them; what is missing or
unknown changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, floor, log
from typing import TYPE_CHECKING, Final, Self

from autoscaler.core.dumped import LONGEST_S, ago_s, branch, number, number_or_none, whole, wholes
from autoscaler.core.learned_growth import LearnedGrowth
from autoscaler.core.learned_hold import LearnedHolds
from autoscaler.core.model import BOUNDLESS_VCPUS
from autoscaler.core.policy import Indicator
from autoscaler.core.rounding import ROUNDING
from autoscaler.core.slo import SliceOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.core.demand import Load
    from autoscaler.core.policy import AdaptiveStrategy, Sla

LEAST_RISK: Final = 0.001
MOST_RISK: Final = 0.92
_LEAST_ODDS: Final = log(LEAST_RISK / (1 - LEAST_RISK))
_MOST_ODDS: Final = log(MOST_RISK / (1 - MOST_RISK))
_START_ODDS: Final = log(0.25 / 0.75)
"""A new guest's risk. It runs at .74 of a limit of .80, then; odds are kept as their logarithm."""
_STEP: Final = 0.08
"""By how much a bad minute cuts the odds, once the first days have passed."""
_ODDS_STEP: Final = 0.02
_BUDGET_SHARE: Final = 0.9
"""Bad slices aimed at, as a share of those that the objective allows."""
WARMEST: Final = 1.05
"""Over 1: a guest whose budget allows it may queue a little."""
_LIMIT: Final = 0.80
"""The utilisation not to be exceeded where the promise is made by another measure."""
_YOUNG_S: Final = 12 * 3600.0
"""A new guest learns four times as fast; that halves in so long."""
_FULL_RATIO: Final = 0.97
_FULL_MARGIN: Final = 1.15
"""Demand of a guest that used all it had, over what it used."""
_HOUR_S: Final = 3600.0
_MOST_NEEDED: Final = 4096
_MOST_SLICES: Final = 1 << 31


@dataclass(slots=True, init=False, unsafe_hash=True)
class AdaptiveTrace:
    """Why the strategy asks for what it asks for."""

    demand_vcpus: Final[float | None]
    """None: nothing was measured yet."""
    target_utilization_ratio: Final[float]
    risk_ratio: Final[float]
    """Share of the ways on from here that the want does not reach for."""
    growth_ratio: Final[float]
    """How many times as much demand came to, or less, in all the others."""
    reckoned_vcpus: Final[float]
    """The demand that this is a multiple of."""
    outlook_s: Final[float]
    """How far ahead that looks."""
    want: Final[int]
    target: Final[int]
    hold_s: Final[float | None]
    """How long the level that is kept above the want is kept; None: none is."""
    covered_ratio: Final[float | None]
    """How often that level was wanted again within its hold; None: none is kept, or it never came back."""
    needed: Final[int]
    """VCPUs online without which this demand would break the promise; 0: that cannot be told."""
    bad_slices: Final[int]
    """In the last 24 hours."""
    last_bad_ago_s: Final[float | None]
    """None: there was none."""
    clean_s: Final[float]
    """Time of good slices since the last bad one."""

    def __init__(  # noqa: PLR0913 - its fields
        self,
        *,
        demand_vcpus: float | None,
        target_utilization_ratio: float,
        risk_ratio: float,
        growth_ratio: float,
        reckoned_vcpus: float,
        outlook_s: float,
        want: int,
        target: int,
        hold_s: float | None,
        covered_ratio: float | None,
        needed: int,
        bad_slices: int,
        last_bad_ago_s: float | None,
        clean_s: float,
    ) -> None:
        self.demand_vcpus = demand_vcpus
        self.target_utilization_ratio = target_utilization_ratio
        self.risk_ratio = risk_ratio
        self.growth_ratio = growth_ratio
        self.reckoned_vcpus = reckoned_vcpus
        self.outlook_s = outlook_s
        self.want = want
        self.target = target
        self.hold_s = hold_s
        self.covered_ratio = covered_ratio
        self.needed = needed
        self.bad_slices = bad_slices
        self.last_bad_ago_s = last_bad_ago_s
        self.clean_s = clean_s


class Adaptive:
    """What is learned of one domain, and what it asks for."""

    __slots__ = (
        *("_bad_hours", "_born_s", "_clean_s", "_demand", "_holds", "_hour_s"),
        *("_growth", "_growth_ratio", "_last_bad_s", "_least_growth", "_limit", "_needed", "_odds"),
        *("_risk_ratio", "_sla", "_stepped_risk_ratio"),
    )

    def __init__(self, strategy: AdaptiveStrategy, sla: Sla, now_s: float, lag_s: float) -> None:
        """`lag_s`: seconds from a decision to the vCPU online, as seen so far."""
        prices = strategy.prices
        self._sla = sla
        self._limit = sla.below if sla.indicator is Indicator.UTILIZATION else _LIMIT
        self._least_growth = self._limit / WARMEST
        self._growth_ratio: float | None = None
        """How many times as much demand is reckoned with; None: not reckoned since demand or risk changed."""
        self._take_odds(_START_ODDS)
        self._growth = LearnedGrowth(lag_s, now_s)
        self._born_s = now_s
        self._demand: float | None = None
        self._needed = 0
        self._clean_s = 0.0
        self._last_bad_s: float | None = None
        self._bad_hours = [0] * 24
        """Bad slices by hour, the hour since `_hour_s` first."""
        self._hour_s = now_s
        moves = (prices.add + prices.remove) / prices.vcpu_minute
        self._holds = LearnedHolds(60.0 * moves, now_s)

    def take(self, load: Load, now_s: float) -> None:
        """A new measurement. A guest that used all it had would have used more."""
        full = load.busy_vcpus >= _FULL_RATIO * load.online
        self._demand = load.busy_vcpus * (_FULL_MARGIN if full else 1.0)
        self._growth.take(self._demand, now_s)
        self._growth_ratio = None
        if self._sla.indicator is Indicator.UTILIZATION:
            self._needed = min(floor(self._demand / self._sla.below) + 1, load.online)
            self._holds.reach(self._needed)

    def judge(self, outcome: SliceOutcome, now_s: float) -> None:
        """Let the risk follow the budget by one closed slice; an unknown one says nothing."""
        if outcome is SliceOutcome.UNKNOWN:
            return
        bad = outcome is SliceOutcome.BAD
        step = _STEP * max(1.0, 4.0 * 2.0 ** (-(now_s - self._born_s) / _YOUNG_S)) * self._sla.slice_s / 60.0
        aim = _BUDGET_SHARE * (1.0 - self._sla.objective_ratio)
        self._take_odds(min(max(self._odds + step * (aim - bad), _LEAST_ODDS), _MOST_ODDS))
        if bad:
            self._turn_hours(now_s)
            self._bad_hours[0] += 1
            self._last_bad_s, self._clean_s = now_s, 0.0
        else:
            self._clean_s += self._sla.slice_s

    def want(self, lower: int, upper: int) -> int:
        """The vCPUs that demand asks for at the target utilisation, within these bounds."""
        if self._demand is None:
            return lower
        reckoned = self._growth.reckoned_vcpus
        return min(max(ceil(reckoned * self._reckoned_growth() / self._limit - ROUNDING), lower), upper)

    def _take_odds(self, odds: float) -> None:
        self._odds, self._risk_ratio = odds, _risk(odds)
        # In steps, so that what was reckoned at one risk serves for a while.
        self._stepped_risk_ratio = _risk(floor(odds / _ODDS_STEP) * _ODDS_STEP)
        self._growth_ratio = None

    def _reckoned_growth(self) -> float:
        if self._growth_ratio is None:
            self._growth_ratio = max(self._growth.growth(self._stepped_risk_ratio), self._least_growth)
        return self._growth_ratio

    def note(self, want: int, now_s: float) -> None:
        """Remember that so many are wanted now, or needed."""
        self._holds.note(max(want, self._needed), now_s)

    def target(self, want: int, now_s: float) -> int:
        """What is wanted or needed, or the highest level above it whose hold is not over."""
        return self._holds.highest_kept(max(want, self._needed), now_s)

    def resized_to(self, online: int, now_s: float) -> None:
        """What a domain has when it is first seen counts as wanted then, for nobody knows better."""
        self._holds.count_as_wanted(online, now_s)

    def trace(self, want: int, now_s: float) -> AdaptiveTrace:
        """Everything that leads to the target now."""
        target = self.target(want, now_s)
        kept = want < target <= self._holds.levels
        growth = self._reckoned_growth()
        return AdaptiveTrace(
            demand_vcpus=self._demand,
            target_utilization_ratio=self._limit / growth,
            risk_ratio=self._risk_ratio,
            growth_ratio=growth,
            reckoned_vcpus=self._growth.reckoned_vcpus,
            outlook_s=self._growth.outlook_s,
            want=want,
            target=target,
            hold_s=self._holds.hold_s(target) if kept else None,
            covered_ratio=self._holds.covered_ratio(target) if kept else None,
            needed=self._needed,
            bad_slices=self._bad_slices(now_s),
            last_bad_ago_s=None if self._last_bad_s is None else now_s - self._last_bad_s,
            clean_s=self._clean_s,
        )

    def _bad_slices(self, now_s: float) -> int:
        """How many the last 24 hours have seen."""
        if self._last_bad_s is None:
            return 0
        hours = int((now_s - self._hour_s) / _HOUR_S)
        return sum(self._bad_hours[: max(0, 24 - hours)])

    def _turn_hours(self, now_s: float) -> None:
        hours = int((now_s - self._hour_s) / _HOUR_S)
        self._hour_s += hours * _HOUR_S
        for _ in range(min(hours, 24)):
            self._bad_hours.insert(0, 0)
            self._bad_hours.pop()

    def dump(self, now_s: float) -> dict[str, object]:
        """Plain JSON values; times as ages."""
        return {
            "odds": self._odds,
            "age_s": ago_s(now_s, self._born_s),
            "demand": self._demand,
            "needed": self._needed,
            "clean_s": self._clean_s,
            "last_bad_s": None if self._last_bad_s is None else ago_s(now_s, self._last_bad_s),
            "hour_s": ago_s(now_s, self._hour_s),
            "bad_hours": list(self._bad_hours),
            "growth": self._growth.dump(now_s),
            "holds": self._holds.dump(now_s),
        }

    @classmethod
    def load(
        cls,
        strategy: AdaptiveStrategy,
        sla: Sla,
        dumped: Mapping[str, object],
        now_s: float,
        away_s: float,
    ) -> Self:
        """Go on from what was dumped `away_s` before now.

        Raises:
            ValueError: the dump is malformed.
        """
        then_s = now_s - max(away_s, 0.0)
        adaptive = cls(strategy, sla, now_s, 0.0)
        adaptive._take_odds(number(dumped, "odds", _LEAST_ODDS, _MOST_ODDS))
        adaptive._born_s = then_s - number(dumped, "age_s", 0.0, LONGEST_S)
        adaptive._demand = number_or_none(dumped, "demand", 0.0, BOUNDLESS_VCPUS)
        needed = whole(dumped, "needed", 0, _MOST_NEEDED)
        adaptive._clean_s = number(dumped, "clean_s", 0.0, LONGEST_S)
        last_bad_s = number_or_none(dumped, "last_bad_s", 0.0, LONGEST_S)
        adaptive._last_bad_s = None if last_bad_s is None else then_s - last_bad_s
        adaptive._hour_s = then_s - number(dumped, "hour_s", 0.0, LONGEST_S)
        bad_hours = wholes(dumped, "bad_hours", 24, _MOST_SLICES)
        adaptive._bad_hours[: len(bad_hours)] = bad_hours
        adaptive._growth.load(branch(dumped, "growth"), then_s)
        adaptive._holds.load(branch(dumped, "holds"), then_s)
        if sla.indicator is Indicator.UTILIZATION:
            adaptive._needed = needed
            adaptive._holds.reach(needed)
        return adaptive


def _risk(odds: float) -> float:
    """The share that these odds, a logarithm, stand for."""
    return 1.0 / (1.0 + exp(-odds))
