"""How demand goes on from where it is: what it came to by the time that vCPUs asked for now could serve it.

For each level of demand, and whether it was falling, steady or rising there, a histogram tells how many times
as much it came to in the half minute after the time that vCPUs take to come. So the margin that a guest is
given is its own: wide where its bursts begin, narrow at their top, and wider where vCPUs take long to come.

Invariants: what is reached for at a smaller risk is never less, and more demand never reaches for less; what
was not measured teaches nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from math import exp, log
from typing import TYPE_CHECKING, Final

from autoscaler.core.dumped import LONGEST_S, ago_s, branches, number, number_or_none, whole, wholes
from autoscaler.core.growth_cases import BINS, MOST_WEIGHT, GrowthCases
from autoscaler.core.model import BOUNDLESS_VCPUS

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_VCPUS: Final = 0.5
"""Less demand counts as so much: of an idle guest's flicker no ratio says anything."""
_LEVEL: Final = log(1.25)
_MOST_LEVELS: Final = 66
_MOST_ROWS: Final = 3 * _MOST_LEVELS
_TOPS: Final = tuple(LEAST_VCPUS * exp(_LEVEL * (level + 1)) * (1 + 1e-12) for level in range(_MOST_LEVELS))
"""Where each level ends; a little above, for rounding may count what lies there to either level."""
_AVERAGE_S: Final = 60.0
_FALLING: Final = 0.9
_RISING: Final = 1.1
"""Demand that is less than so many times its average, or more, is falling or rising."""
_OUTLOOK_S: Final = 30.0
_MOST_LAG_S: Final = 600.0
_LONGEST_GAP_S: Final = 300.0
"""After a longer silence nobody knows how demand went on."""
_MOST_OPEN: Final = 1024
_HOUR_S: Final = 3600.0
_HOURLY: Final = 0.5 ** (1 / 48)
"""What was seen two days ago counts half."""
_UNSEEN: Final = GrowthCases()
"""Of every row that there are no cases of; one for all domains, to save memory."""


class LearnedGrowth:
    """What one domain's demand came to, from each level of it."""

    __slots__ = (
        *("_aged_s", "_average", "_before", "_demand", "_falling_reaches", "_growths", "_lag_s"),
        *("_open", "_risk_ratio", "_row", "_rows", "_taken_s", "outlook_s"),
    )

    def __init__(self, lag_s: float, now_s: float) -> None:
        """`lag_s`: seconds from a decision to the vCPU online."""
        self._expect(min(lag_s, _MOST_LAG_S))
        self._aged_s = now_s
        self._taken_s = now_s
        self._average: float | None = None
        self._before = LEAST_VCPUS
        """The average that the demand now is held against."""
        self._demand = LEAST_VCPUS
        self._row = _row(LEAST_VCPUS, LEAST_VCPUS)
        self._rows: dict[int, GrowthCases] = {}
        self._risk_ratio = -1.0
        self._growths: dict[int, float] = {}
        """What was reckoned for rows at that risk; to be reckoned anew where there is nothing."""
        self._falling_reaches: list[float] = []
        """By level: what is reached for where demand falls from its top, or any lower one, at that risk."""
        self._open: deque[tuple[float, float, int]] = deque(maxlen=_MOST_OPEN)
        """Demands whose outcome is not seen yet: time, demand and row, the oldest first."""

    def _expect(self, lag_s: float) -> None:
        self._lag_s = lag_s
        self.outlook_s = lag_s + _OUTLOOK_S
        """How far it is looked ahead."""

    @property
    def reckoned_vcpus(self) -> float:
        """The demand that a growth is a multiple of."""
        return self._demand

    def take(self, demand_vcpus: float, now_s: float) -> None:
        """This is the demand now; learn what those of a while ago came to."""
        if now_s - self._aged_s >= _HOUR_S:
            self._fade(now_s)
        gap_s = now_s - self._taken_s
        if gap_s > _LONGEST_GAP_S:
            self._open.clear()
            self._average = None
        self._demand = min(max(demand_vcpus, LEAST_VCPUS), BOUNDLESS_VCPUS)
        average = self._before = self._demand if self._average is None else self._average
        self._row = _row(self._demand, average)
        self._average = average + (1.0 - exp(-gap_s / _AVERAGE_S)) * (self._demand - average)
        self._taken_s = now_s
        self._open.append((now_s, self._demand, self._row))
        while now_s - self._open[0][0] >= self.outlook_s:
            at_s, demand, row = self._open.popleft()
            self._learn(at_s, demand, row)

    def growth(self, risk_ratio: float) -> float:
        """How many times as much demand is to be reckoned with: it came to that, or less, but for this risk.

        Never less than what lower demand, down from this one, would be reckoned to come to.
        """
        if risk_ratio != self._risk_ratio:
            self._risk_ratio = risk_ratio
            self._growths.clear()
            self._falling_reaches.clear()
        return self._reach() / self._demand

    def _reach(self) -> float:
        demand = self._demand
        falling_to, steady_to = _FALLING * self._before, _RISING * self._before
        growths, reach, bottom = self._growths, demand * self._growth_of(self._row), 0.0
        # Most levels lie below where demand counts as falling: what they come to is known from the last time.
        level = bisect_right(_TOPS, min(falling_to, demand))
        if level:
            reach, bottom = max(reach, self._falling_reach(level - 1)), _TOPS[level - 1]
        for trend, end in enumerate((falling_to, steady_to, demand)):
            until = min(end, demand)
            while bottom < until:
                top, row = _TOPS[level], 3 * level + trend
                bottom = min(top, until)
                growth = growths[row] if row in growths else self._growth_of(row)
                reach = max(reach, bottom * growth)
                level += bottom == top
        return reach

    def _falling_reach(self, level: int) -> float:
        reaches = self._falling_reaches
        for new in range(len(reaches), level + 1):
            reach = _TOPS[new] * self._growth_of(3 * new)
            reaches.append(max(reaches[-1], reach) if reaches else reach)
        return reaches[level]

    def _growth_of(self, row: int) -> float:
        found = self._growths.get(row)
        if found is None:
            cases = self._rows.get(row, _UNSEEN)
            found = self._growths[row] = cases.exceeded_by(self._risk_ratio)
        return found

    def _learn(self, at_s: float, demand_vcpus: float, row: int) -> None:
        came_vcpus, times = 0.0, 0
        for later_s, later_vcpus, _ in self._open:
            if later_s - at_s > self._lag_s:
                came_vcpus += later_vcpus
                times += 1
        cases = self._rows.get(row)
        if cases is None:
            cases = self._rows[row] = GrowthCases()
        cases.add(came_vcpus / times / demand_vcpus)
        self._growths.pop(row, None)
        if row % 3 == 0:
            del self._falling_reaches[row // 3 :]

    def _fade(self, now_s: float) -> None:
        hours = int((now_s - self._aged_s) / _HOUR_S)
        self._aged_s += hours * _HOUR_S
        kept = _HOURLY**hours
        for cases in self._rows.values():
            cases.fade(kept)
        self._rows = {row: cases for row, cases in self._rows.items() if cases}
        self._growths.clear()
        self._falling_reaches.clear()

    def dump(self, now_s: float) -> dict[str, object]:
        """Plain JSON values; times as ages."""
        return {
            "lag_s": self._lag_s,
            "aged_s": ago_s(now_s, self._aged_s),
            "taken_s": ago_s(now_s, self._taken_s),
            "average": self._average,
            "before": self._before,
            "demand": self._demand,
            "row": self._row,
            "rows": [_dumped(row, cases) for row, cases in self._rows.items()],
            "open": [
                {"ago_s": ago_s(now_s, at_s), "demand": demand, "row": row}
                for at_s, demand, row in self._open
            ],
        }

    def load(self, dumped: Mapping[str, object], then_s: float) -> None:
        """Take on what was dumped at that moment."""
        self._expect(number(dumped, "lag_s", 0.0, _MOST_LAG_S))
        self._aged_s = then_s - number(dumped, "aged_s", 0.0, LONGEST_S)
        self._taken_s = then_s - number(dumped, "taken_s", 0.0, LONGEST_S)
        self._average = number_or_none(dumped, "average", LEAST_VCPUS, BOUNDLESS_VCPUS)
        self._before = number(dumped, "before", LEAST_VCPUS, BOUNDLESS_VCPUS)
        self._demand = number(dumped, "demand", LEAST_VCPUS, BOUNDLESS_VCPUS)
        self._row = whole(dumped, "row", 0, _MOST_ROWS)
        for row in branches(dumped, "rows", _MOST_ROWS):
            first = whole(row, "from", 0, BINS)
            cases = self._rows[whole(row, "row", 0, _MOST_ROWS)] = GrowthCases()
            cases.load(first, wholes(row, "cases", BINS - first, MOST_WEIGHT))
        for one in branches(dumped, "open", _MOST_OPEN):
            at_s = then_s - number(one, "ago_s", 0.0, LONGEST_S)
            demand = number(one, "demand", LEAST_VCPUS, BOUNDLESS_VCPUS)
            self._open.append((at_s, demand, whole(one, "row", 0, _MOST_ROWS)))


def _dumped(row: int, cases: GrowthCases) -> dict[str, object]:
    first, weights = cases.dump()
    return {"row": row, "from": first, "cases": weights}


def _row(demand_vcpus: float, average_vcpus: float) -> int:
    """A number for a level of demand, in steps of a quarter, and a direction."""
    trend = 1
    if demand_vcpus < _FALLING * average_vcpus:
        trend = 0
    elif demand_vcpus > _RISING * average_vcpus:
        trend = 2
    return 3 * int(log(demand_vcpus / LEAST_VCPUS) / _LEVEL) + trend
