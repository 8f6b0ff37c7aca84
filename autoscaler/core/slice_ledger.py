"""Counts slices, the last hours exactly and the whole window in coarser cells.

Invariant: memory is bounded by the number of cells, whatever the window, the slice and the time that passed.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from typing import TYPE_CHECKING

from autoscaler.core.dumped import text, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CELLS = 720
"""Most cells of a ring: of a window of 30 days each is an hour."""
RECENT_S = 6 * 3600.0
"""How far back every slice keeps a cell of its own, where slices are no shorter than half a minute."""
_MOST = 1 << 50


@dataclass(frozen=True, slots=True)
class Count:
    """Slices by what became of them."""

    good: int = 0
    bad: int = 0
    unknown: int = 0

    @property
    def known(self) -> int:
        """Slices of which enough was measured."""
        return self.good + self.bad

    @property
    def bad_ratio(self) -> float | None:
        """Bad share of the known ones; None: none is known."""
        return self.bad / self.known if self.known else None


class SliceRing:
    """The last so many slices in at most `CELLS` cells; a new cell takes the place of the oldest."""

    __slots__ = ("_bad", "_cells", "_good", "_per_cell", "seen")

    def __init__(self, slices: int) -> None:
        self._per_cell = ceil(slices / CELLS)
        self._cells = max(1, slices // self._per_cell)
        code = "B" if self._per_cell < 1 << 8 else "H" if self._per_cell < 1 << 16 else "Q"
        self._good = array(code, [0]) * self._cells
        self._bad = array(code, [0]) * self._cells
        self.seen = 0
        """Slices since the first one, those that have left the ring included."""

    def add(self, *, good: bool) -> None:
        """One more slice that is known."""
        self.skip(1)
        counts = self._good if good else self._bad
        counts[self._newest % self._cells] += 1

    def skip(self, slices: int) -> None:
        """So many more that are not known."""
        before = self._newest
        self.seen += slices
        for number in range(max(before + 1, self._newest - self._cells + 1), self._newest + 1):
            self._good[number % self._cells] = self._bad[number % self._cells] = 0

    def last(self, slices: int) -> Count:
        """The last so many slices, to whole cells; the newest cell is always among them."""
        if not self.seen:
            return Count()
        oldest = max(0, self._newest - max(1, min(slices // self._per_cell, self._cells)) + 1)
        good, bad = self._sum(self._good, oldest), self._sum(self._bad, oldest)
        return Count(good, bad, self.seen - oldest * self._per_cell - good - bad)

    @property
    def _newest(self) -> int:
        """Number of the newest cell, counted from the first ever; -1: there is none."""
        return (self.seen - 1) // self._per_cell

    def _sum(self, counts: array[int], oldest: int) -> int:
        first, end = oldest % self._cells, self._newest % self._cells + 1
        return sum(counts[first:end]) if first < end else sum(counts[first:]) + sum(counts[:end])

    def dump(self) -> str:
        """Cells from the oldest on, as ``good/bad*cells``."""
        numbers = range(max(0, self._newest - self._cells + 1), self._newest + 1)
        pairs = ((self._good[number % self._cells], self._bad[number % self._cells]) for number in numbers)
        return " ".join(f"{good}/{bad}*{len(list(run))}" for (good, bad), run in groupby(pairs))

    def load(self, dumped: str, seen: int) -> None:
        """Take on what was dumped after `seen` slices."""
        self.seen = seen
        number = max(0, self._newest - self._cells + 1)
        for good, bad, cells in _runs(dumped):
            if not 0 < cells <= self._newest + 1 - number:
                raise ValueError(f"{cells} cells where {self._newest + 1 - number} are left of {seen} slices")
            for _ in range(cells):
                if min(good, bad) < 0 or good + bad > min(self._per_cell, seen - number * self._per_cell):
                    raise ValueError(f"a cell of {good} and {bad} slices")
                self._good[number % self._cells], self._bad[number % self._cells] = good, bad
                number += 1
        if number != self._newest + 1:
            raise ValueError(f"fewer cells than {seen} slices fill")


def _runs(dumped: str) -> Iterator[tuple[int, int, int]]:
    for run in dumped.split():
        counts, _, cells = run.partition("*")
        good, _, bad = counts.partition("/")
        yield int(good), int(bad), int(cells)


class SliceLedger:
    """Every slice of one domain since its first sight: the totals, and rings to look back."""

    __slots__ = ("_bad", "_good", "_recent", "_slice_s", "_whole", "window")

    def __init__(self, slice_s: float, window_s: float) -> None:
        self._slice_s = slice_s
        self.window = max(1, round(window_s / slice_s))
        """Slices in a whole window."""
        self._recent = SliceRing(min(self.window, max(1, round(RECENT_S / slice_s))))
        self._whole = SliceRing(self.window)
        self._good = 0
        self._bad = 0

    def add(self, *, good: bool) -> None:
        """One more slice that is known."""
        self._recent.add(good=good)
        self._whole.add(good=good)
        self._good += good
        self._bad += not good

    def skip(self, slices: int) -> None:
        """So many more that are not known."""
        self._recent.skip(slices)
        self._whole.skip(slices)

    def last(self, span_s: float) -> Count:
        """The slices of the last so many seconds, at least one, at most the window."""
        slices = max(1, round(span_s / self._slice_s))
        return (self._recent if span_s <= RECENT_S else self._whole).last(slices)

    def in_window(self) -> Count:
        """The slices of the window."""
        return self._whole.last(self.window)

    def ever(self) -> Count:
        """All slices since the first."""
        return Count(self._good, self._bad, self._whole.seen - self._good - self._bad)

    def dump(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "seen": self._whole.seen,
            "good": self._good,
            "bad": self._bad,
            "recent": self._recent.dump(),
            "whole": self._whole.dump(),
        }

    def load(self, dumped: Mapping[str, object]) -> None:
        """Take on what a ledger of the same slices and window dumped."""
        seen = whole(dumped, "seen", 0, _MOST)
        self._recent.load(text(dumped, "recent"), seen)
        self._whole.load(text(dumped, "whole"), seen)
        within = self.in_window()
        self._good = whole(dumped, "good", within.good, seen)
        self._bad = whole(dumped, "bad", within.bad, seen - self._good)
