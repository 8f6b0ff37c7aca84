"""How demand goes on from where it is: what it came to by the time that vCPUs asked for now could serve it.

For each level of demand, and whether it was falling, steady or rising there, a histogram tells how many times
as much it came to in the half minute after the time that vCPUs take to come. So the margin that a guest is
given is its own: wide where its bursts begin, narrow at their top, and wider where vCPUs take long to come.

Invariants: what is reached for at a smaller risk is never less, and more demand never reaches for less; what
was not measured teaches nothing.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from math import exp, inf, log
from typing import TYPE_CHECKING

from autoscaler.core.dumped import LONGEST_S, ago_s, branches, number, number_or_none, whole, wholes
from autoscaler.core.model import MOST_VCPUS

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_VCPUS = 0.5
"""Less demand counts as so much: of an idle guest's flicker no ratio says anything."""
_EDGES = (
    *(0.0, 0.5, 0.6, 0.7, 0.76, 0.82, 0.88, 0.92, 0.96, 1.0, 1.04, 1.08, 1.12, 1.16, 1.2, 1.25, 1.3),
    *(1.4, 1.5, 1.65, 1.8, 2.1, 2.5, 3.0, 4.0, 6.0, 9.0, 14.0, 20.0, 30.0, 50.0, 100.0),
)
"""Bin i holds growths from edge i to the next, the last one all larger ones, too."""
_BINS = len(_EDGES) - 1
_ASSUMED = 10.0
"""Cases that every histogram begins with: of a guest that is not known, that demand varies by a tenth."""
_ASSUMED_TAILS = tuple(_ASSUMED / (1.0 + edge**14) for edge in _EDGES[:-1])
"""How many of them lie above each edge."""
_LEVEL = log(1.25)
_MOST_LEVELS = 66
_MOST_ROWS = 3 * _MOST_LEVELS
_TOPS = tuple(LEAST_VCPUS * exp(_LEVEL * (level + 1)) * (1 + 1e-12) for level in range(_MOST_LEVELS))
"""Where each level ends; a little above, for rounding may count what lies there to either level."""
_AVERAGE_S = 60.0
_FALLING, _RISING = 0.9, 1.1
"""Demand that is less than so many times its average, or more, is falling or rising."""
_OUTLOOK_S = 30.0
_MOST_LAG_S = 600.0
_LONGEST_GAP_S = 300.0
"""After a longer silence nobody knows how demand went on."""
_MOST_OPEN = 1024
_CASE = 64
"""One case's weight: whole numbers make a dump exact and short."""
_MOST_WEIGHT = (1 << 32) - 1
_HOUR_S = 3600.0
_HOURLY = 0.5 ** (1 / 48)
"""What was seen two days ago counts half."""


class LearnedGrowth:
    """What one domain's demand came to, from each level of it."""

    __slots__ = (
        *("_aged_s", "_average", "_before", "_demand", "_found", "_growths", "_lag_s"),
        *("_open", "_risk_ratio", "_row", "_rows", "_taken_s"),
    )

    def __init__(self, lag_s: float, now_s: float) -> None:
        """`lag_s`: seconds from a decision to the vCPU online."""
        self._lag_s = min(lag_s, _MOST_LAG_S)
        self._aged_s = now_s
        self._taken_s = now_s
        self._average: float | None = None
        self._before = LEAST_VCPUS
        """The average that the demand now is held against."""
        self._demand = LEAST_VCPUS
        self._row = _row(LEAST_VCPUS, LEAST_VCPUS)
        self._rows: dict[int, array[int]] = {}
        self._risk_ratio = -1.0
        self._found: float | None = None
        """The growth at that risk; None: not asked for since the last demand."""
        self._growths: dict[int, float] = {}
        """What was reckoned for rows at that risk; to be reckoned anew where there is nothing."""
        self._open: deque[tuple[float, float, int]] = deque(maxlen=_MOST_OPEN)
        """Demands whose outcome is not seen yet: time, demand and row, the oldest first."""

    @property
    def outlook_s(self) -> float:
        """How far it is looked ahead."""
        return self._lag_s + _OUTLOOK_S

    @property
    def reckoned_vcpus(self) -> float:
        """The demand that a growth is a multiple of."""
        return self._demand

    def take(self, demand_vcpus: float, now_s: float) -> None:
        """This is the demand now; learn what those of a while ago came to."""
        if now_s - self._aged_s >= _HOUR_S:
            self._fade(now_s)
        self._found = None
        gap_s = now_s - self._taken_s
        if gap_s > _LONGEST_GAP_S:
            self._open.clear()
            self._average = None
        self._demand = min(max(demand_vcpus, LEAST_VCPUS), MOST_VCPUS)
        average = self._before = self._demand if self._average is None else self._average
        self._row = _row(self._demand, average)
        self._average = average + (1.0 - exp(-gap_s / _AVERAGE_S)) * (self._demand - average)
        self._taken_s = now_s
        self._open.append((now_s, self._demand, self._row))
        while now_s - self._open[0][0] >= self.outlook_s:
            self._learn(*self._open.popleft())

    def growth(self, risk_ratio: float) -> float:
        """How many times as much demand is to be reckoned with: it came to that, or less, but for this risk.

        Never less than what lower demand, down from this one, would be reckoned to come to.
        """
        if risk_ratio != self._risk_ratio:
            self._risk_ratio, self._found = risk_ratio, None
            self._growths.clear()
        if self._found is None:
            self._found = self._reach() / self._demand
        return self._found

    def _reach(self) -> float:
        reach, bottom = self._demand * self._growth_of(self._row), 0.0
        falling_to, steady_to = _FALLING * self._before, _RISING * self._before
        for level, top in enumerate(_TOPS):
            for trend, until in enumerate((falling_to, steady_to, inf)):
                end = min(top, until, self._demand)
                if end > bottom:
                    reach, bottom = max(reach, end * self._growth_of(3 * level + trend)), end
            if top >= self._demand:
                break
        return reach

    def _growth_of(self, row: int) -> float:
        found = self._growths.get(row)
        if found is None:
            found = self._growths[row] = self._reckoned(self._rows.get(row))
        return found

    def _reckoned(self, weights: array[int] | None) -> float:
        """The smallest growth that is exceeded in no larger share of cases than the risk, within its bin."""
        cases = _ASSUMED + (sum(weights) / _CASE if weights else 0.0)
        place, seen, ratio, above_ratio = _BINS, 0.0, 0.0, 0.0
        while ratio <= self._risk_ratio:
            place -= 1
            seen += weights[place] / _CASE if weights else 0.0
            above_ratio, ratio = ratio, (seen + _ASSUMED_TAILS[place]) / cases
        low, high = _EDGES[place], _EDGES[place + 1]
        return low + (high - low) * (ratio - self._risk_ratio) / (ratio - above_ratio)

    def _learn(self, at_s: float, demand_vcpus: float, row: int) -> None:
        came = [demand for later_s, demand, _ in self._open if later_s - at_s > self._lag_s]
        weights = self._rows.get(row)
        if weights is None:
            weights = self._rows[row] = array("I", [0] * _BINS)
        place = min(bisect_right(_EDGES, sum(came) / len(came) / demand_vcpus), _BINS) - 1
        weights[place] = min(weights[place] + _CASE, _MOST_WEIGHT)
        self._growths.pop(row, None)

    def _fade(self, now_s: float) -> None:
        hours = int((now_s - self._aged_s) / _HOUR_S)
        self._aged_s += hours * _HOUR_S
        kept = _HOURLY**hours
        faded = {row: array("I", [int(weight * kept) for weight in of]) for row, of in self._rows.items()}
        self._rows = {row: weights for row, weights in faded.items() if any(weights)}
        self._growths.clear()

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
            "rows": [_dumped(row, weights) for row, weights in self._rows.items()],
            "open": [
                {"ago_s": ago_s(now_s, at_s), "demand": demand, "row": row}
                for at_s, demand, row in self._open
            ],
        }

    def load(self, dumped: Mapping[str, object], then_s: float) -> None:
        """Take on what was dumped at that moment."""
        self._lag_s = number(dumped, "lag_s", 0.0, _MOST_LAG_S)
        self._aged_s = then_s - number(dumped, "aged_s", 0.0, LONGEST_S)
        self._taken_s = then_s - number(dumped, "taken_s", 0.0, LONGEST_S)
        self._average = number_or_none(dumped, "average", LEAST_VCPUS, MOST_VCPUS)
        self._before = number(dumped, "before", LEAST_VCPUS, MOST_VCPUS)
        self._demand = number(dumped, "demand", LEAST_VCPUS, MOST_VCPUS)
        self._row = whole(dumped, "row", 0, _MOST_ROWS)
        for row in branches(dumped, "rows", _MOST_ROWS):
            weights = array("I", [0] * _BINS)
            first = whole(row, "from", 0, _BINS)
            cases = wholes(row, "cases", _BINS - first, _MOST_WEIGHT)
            weights[first : first + len(cases)] = array("I", cases)
            self._rows[whole(row, "row", 0, _MOST_ROWS)] = weights
        for one in branches(dumped, "open", _MOST_OPEN):
            at_s = then_s - number(one, "ago_s", 0.0, LONGEST_S)
            demand = number(one, "demand", LEAST_VCPUS, MOST_VCPUS)
            self._open.append((at_s, demand, whole(one, "row", 0, _MOST_ROWS)))


def _dumped(row: int, weights: array[int]) -> dict[str, object]:
    """Most growths never occur from a level: the bins between the first and the last that did say all."""
    seen = [place for place, weight in enumerate(weights) if weight]
    first, last = (seen[0], seen[-1]) if seen else (0, -1)
    return {"row": row, "from": first, "cases": list(weights[first : last + 1])}


def _row(demand_vcpus: float, average_vcpus: float) -> int:
    """A number for a level of demand, in steps of a quarter, and a direction."""
    trend = 1
    if demand_vcpus < _FALLING * average_vcpus:
        trend = 0
    elif demand_vcpus > _RISING * average_vcpus:
        trend = 2
    return 3 * int(log(demand_vcpus / LEAST_VCPUS) / _LEVEL) + trend
