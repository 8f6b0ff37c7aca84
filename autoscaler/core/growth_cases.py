"""How many times as much demand came to, in all cases of one kind: a histogram, and what few of them exceed.

Invariant: where the last look ended changes how quickly the next one is done, never what it finds. Weights
are whole numbers, so that their sums are exact in whatever order they are made.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Final

EDGES: Final[tuple[float, ...]] = (
    *(0.0, 0.5, 0.6, 0.7, 0.76, 0.82, 0.88, 0.92, 0.96, 1.0, 1.04, 1.08, 1.12, 1.16, 1.2, 1.25, 1.3),
    *(1.4, 1.5, 1.65, 1.8, 2.1, 2.5, 3.0, 4.0, 6.0, 9.0, 14.0, 20.0, 30.0, 50.0, 100.0),
)
"""Bin i holds growths from edge i to the next, the last one all larger ones, too."""
BINS: Final = len(EDGES) - 1
MOST_WEIGHT: Final = (1 << 32) - 1
_ASSUMED: Final = 10.0
"""Cases that every histogram begins with: of a guest that is not known, that demand varies by a tenth."""
_ASSUMED_TAILS: Final[tuple[float, ...]] = (*(_ASSUMED / (1.0 + edge**14) for edge in EDGES[:-1]), 0.0)
"""How many of them lie above each edge."""
_CASE: Final = 64
"""One case's weight: whole numbers make a dump exact and short."""


class GrowthCases:
    """Cases of one kind."""

    __slots__ = ("_above", "_place", "_total", "_weights")

    def __init__(self) -> None:
        self._weights = array("I", [0]) * BINS
        self._total = 0
        self._place = BINS - 1
        """The bin in which the last look ended; the next one begins there, for it seldom ends far off."""
        self._above = 0
        """The weight of all bins above that one."""

    def __bool__(self) -> bool:
        """Whether there was any case, and is not forgotten."""
        return self._total > 0

    def add(self, growth_ratio: float) -> None:
        """One more case."""
        place = bisect_right(EDGES, growth_ratio, 0, BINS) - 1
        weight = self._weights[place]
        more = min(_CASE, MOST_WEIGHT - weight)
        self._weights[place] = weight + more
        self._total += more
        if place > self._place:
            self._above += more

    def fade(self, kept: float) -> None:
        """Let every case count for this share of what it did."""
        self._take([int(weight * kept) for weight in self._weights])

    def exceeded_by(self, risk_ratio: float) -> float:
        """The smallest growth that is exceeded in no larger share of cases than the risk, within its bin."""
        weights, cases = self._weights, _ASSUMED + self._total / _CASE
        place, above = self._place, self._above
        above_ratio = (above / _CASE + _ASSUMED_TAILS[place + 1]) / cases
        while above_ratio > risk_ratio:
            place += 1
            above -= weights[place]
            above_ratio = (above / _CASE + _ASSUMED_TAILS[place + 1]) / cases
        ratio = ((above + weights[place]) / _CASE + _ASSUMED_TAILS[place]) / cases
        while ratio <= risk_ratio:
            above += weights[place]
            place -= 1
            above_ratio, ratio = ratio, ((above + weights[place]) / _CASE + _ASSUMED_TAILS[place]) / cases
        self._place, self._above = place, above
        low, high = EDGES[place], EDGES[place + 1]
        return low + (high - low) * (ratio - risk_ratio) / (ratio - above_ratio)

    def dump(self) -> tuple[int, list[int]]:
        """The first bin with any case, and the weights from there to the last such bin: most never occur."""
        seen = [place for place, weight in enumerate(self._weights) if weight]
        first, last = (seen[0], seen[-1]) if seen else (0, -1)
        return first, list(self._weights[first : last + 1])

    def load(self, first: int, weights: list[int]) -> None:
        """Take on what was dumped."""
        self._take([*(0,) * first, *weights, *(0,) * (BINS - first - len(weights))])

    def _take(self, weights: list[int]) -> None:
        self._weights = array("I", weights)
        self._total = sum(weights)
        self._place, self._above = BINS - 1, 0
