"""Cuts time into slices and says what was measured in each, however the measurements fall.

Slices lie end to end on the monotonic clock from the domain's first sight. A measurement stands for its whole
interval: it is shared out to every slice that it overlaps, be it shorter or longer than a slice.

Invariants: no moment is measured twice; every slice closes exactly once, in order; one of which less than
half was measured has no figure.
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, Final

from autoscaler.core.dumped import LONGEST_S, ago_s, number
from autoscaler.core.rounding import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_TOTAL: Final = 1e300
"""Far above any, and still finite."""


class SliceCutter:
    """The slices of one domain that are still open."""

    __slots__ = ("_cut", "_open", "_seen_s", "_slice_s", "_start_s")

    def __init__(self, slice_s: float, start_s: float) -> None:
        self._slice_s = slice_s
        self._start_s = start_s
        self._seen_s = start_s
        """Up to here time has been looked at; nothing earlier can be measured any more."""
        self._cut = 0
        """Slices closed since `_start_s`."""
        self._open: list[tuple[float, float]] = []
        """Of each open slice, from the oldest on: seconds measured, and the sum of value times seconds."""

    def measure(self, value: float | None, from_s: float, to_s: float) -> None:
        """Take in what was measured between two moments; None: looked at, with no figure."""
        first_s = max(from_s, self._seen_s)
        self._seen_s = max(self._seen_s, to_s)
        if value is None or first_s >= to_s:
            return
        slice_s, cut = self._slice_s, self._cut
        first = floor((first_s - self._start_s) / slice_s)
        last = ceil((to_s - self._start_s) / slice_s)
        for place in range(max(first, cut), last):
            start_s = self._start_s + place * slice_s
            overlap_s = min(to_s, start_s + slice_s) - max(first_s, start_s)
            if overlap_s > 0:
                self._add(place - cut, overlap_s, value)

    def close(self, now_s: float) -> tuple[list[float | None], int]:
        """Close what is over: the means of slices (None: too little was measured), then how many had nothing.

        A slice is over when something later was seen, for measurements come in order; or when nothing was for
        a whole slice after its end, so that an answer that is only late still counts.
        """
        seen = (self._seen_s - self._start_s) / self._slice_s
        waited = (now_s - self._start_s) / self._slice_s - 1
        over = floor(max(seen, waited) + ROUNDING) - self._cut
        if over <= 0:
            return [], 0
        means = [self._mean(*measured) for measured in self._open[:over]]
        del self._open[:over]
        self._cut += over
        return means, over - len(means)

    def _start_of(self, number: int) -> float:
        return self._start_s + number * self._slice_s

    def _add(self, place: int, span_s: float, value: float) -> None:
        while len(self._open) <= place:
            self._open.append((0.0, 0.0))
        measured_s, total = self._open[place]
        self._open[place] = (measured_s + span_s, total + value * span_s)

    def _mean(self, measured_s: float, total: float) -> float | None:
        return total / measured_s if measured_s >= self._slice_s / 2 else None

    def dump(self, now_s: float) -> dict[str, object]:
        """Plain JSON values: ages, and what was measured of the oldest open slice; no later one was begun."""
        measured_s, total = self._open[0] if self._open else (0.0, 0.0)
        return {
            "open_s": ago_s(now_s, self._start_of(self._cut)),
            "seen_s": ago_s(now_s, self._seen_s),
            "measured_s": measured_s,
            "total": total,
        }

    def load(self, dumped: Mapping[str, object], then_s: float) -> None:
        """Take on what was dumped at that moment."""
        self._start_s = then_s - number(dumped, "open_s", 0.0, LONGEST_S)
        self._seen_s = then_s - number(dumped, "seen_s", 0.0, LONGEST_S)
        self._cut = 0
        measured_s = number(dumped, "measured_s", 0.0, self._slice_s * (1 + ROUNDING))
        self._open = [(measured_s, number(dumped, "total", 0.0, _MOST_TOTAL))]
