"""Two ways to look back over slices: the last ones each on its own, and a whole window in coarser cells.

Both are rings: the newest takes the place of the oldest. What is not counted as good or bad is unknown.
Invariant: memory is fixed by what a ring is made for, however much time passes.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CELLS = 720
"""Most cells of a window: of 30 days each is an hour."""
_GOOD, _BAD, _UNKNOWN = b"g", b"b", b"u"


@dataclass(slots=True, init=False, unsafe_hash=True)
class Count:
    """Slices by what became of them."""

    good: Final[int]
    bad: Final[int]
    unknown: Final[int]

    def __init__(self, good: int, bad: int, unknown: int) -> None:
        self.good = good
        self.bad = bad
        self.unknown = unknown

    @property
    def known(self) -> int:
        """Slices of which enough was measured."""
        return self.good + self.bad

    @property
    def bad_ratio(self) -> float | None:
        """Bad share of the known ones; None: none is known."""
        return self.bad / self.known if self.known else None


class RecentSlices:
    """The last so many slices, a byte each."""

    __slots__ = ("_put_in", "_ring")

    def __init__(self, slices: int) -> None:
        self._ring = bytearray(_UNKNOWN * slices)
        self._put_in = 0
        """Slices ever; of a silence longer than the ring only as many as it holds."""

    def add(self, *, good: bool) -> None:
        """One more slice that is known."""
        self._put(_GOOD if good else _BAD)

    def skip(self, slices: int) -> None:
        """So many more that are not known."""
        for _ in range(min(slices, len(self._ring))):
            self._put(_UNKNOWN)

    def last(self, slices: int) -> Count:
        """The last so many slices, as far as there are."""
        covered = min(slices, self._put_in, len(self._ring))
        good, bad = self._count(_GOOD, covered), self._count(_BAD, covered)
        return Count(good, bad, covered - good - bad)

    def since_good(self) -> Count:
        """The slices after the last good one, from the first bad one of them on."""
        if self._ring[self._put_in % len(self._ring) - 1] == _GOOD[0]:  # as nearly always
            return Count(0, 0, 0)
        newest_last = self._in_order()
        run = newest_last[newest_last.rfind(_GOOD) + 1 :].lstrip(_UNKNOWN)
        return Count(0, run.count(_BAD), run.count(_UNKNOWN))

    def since_bad(self) -> int:
        """How many slices came after the last bad one; 0: none of those was good."""
        newest_last = self._in_order()
        run = newest_last[newest_last.rfind(_BAD) + 1 :]
        return len(run) if _GOOD in run else 0

    def dump(self) -> str:
        """Slices from the oldest on, as letters with how often each follows itself: ``g57bg2``."""
        runs = ((letter, len(list(run))) for letter, run in groupby(self._in_order().decode()))
        return "".join(letter + str(times) * (times > 1) for letter, times in runs)

    def load(self, dumped: str, seen: int) -> None:
        """Take on what was dumped after `seen` slices."""
        missing = min(seen, len(self._ring))
        for letter, times in _letters(dumped):
            missing -= times
            if missing < 0:
                break
            for _ in range(times):
                self._put(letter.encode())
        if missing:
            raise ValueError(f"there are not as many slices as {seen} leave behind")

    def _put(self, letter: bytes) -> None:
        self._ring[self._put_in % len(self._ring)] = letter[0]
        self._put_in += 1

    def _in_order(self) -> bytearray:
        """The slices from the oldest to the newest."""
        end = self._put_in % len(self._ring)
        return (self._ring[end:] + self._ring[:end])[max(0, len(self._ring) - self._put_in) :]

    def _count(self, letter: bytes, covered: int) -> int:
        end = self._put_in % len(self._ring)
        start = end - covered
        if start >= 0:
            return self._ring.count(letter, start, end)
        return self._ring.count(letter, 0, end) + self._ring.count(letter, start + len(self._ring))


def _letters(dumped: str) -> Iterator[tuple[str, int]]:
    """Each letter with the figure that follows it, without one 1."""
    start = 0
    while start < len(dumped):
        end = start + 1
        while end < len(dumped) and dumped[end].isdecimal():
            end += 1
        if dumped[start] not in "gbu":
            raise ValueError(f"{dumped[start]!r} is no outcome of a slice")
        yield dumped[start], int(dumped[start + 1 : end] or 1)
        start = end


class WindowSlices:
    """The slices of a window, counted in at most `CELLS` cells of as many slices each."""

    __slots__ = ("_bad", "_cells", "_good", "_per_cell", "seen")

    def __init__(self, slices: int) -> None:
        self._per_cell = ceil(slices / CELLS)
        self._cells = slices // self._per_cell
        code = next(code for code in "BHL" if self._per_cell < 1 << 8 * array(code).itemsize)
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
        for number in range(max(before + 1, self._oldest), self._newest + 1):
            self._good[number % self._cells] = self._bad[number % self._cells] = 0

    def last(self, slices: int) -> Count:
        """The last so many slices, or up to a cell fewer: the newest cell counts though it is not full."""
        oldest = max(self._oldest, self._newest - max(1, slices // self._per_cell) + 1)
        good, bad = self._sum(self._good, oldest), self._sum(self._bad, oldest)
        return Count(good, bad, self.seen - oldest * self._per_cell - good - bad)

    def dump(self) -> str:
        """Cells from the oldest on as ``good/bad``, with how often each follows itself: ``60/0*23 58/2``."""
        places = (number % self._cells for number in range(self._oldest, self._newest + 1))
        runs = (
            (cell, len(list(run))) for cell, run in groupby((self._good[i], self._bad[i]) for i in places)
        )
        return " ".join(f"{good}/{bad}" + f"*{times}" * (times > 1) for (good, bad), times in runs)

    def load(self, dumped: str, seen: int) -> None:
        """Take on what was dumped after `seen` slices."""
        self.seen = seen
        number = self._oldest
        for good, bad, times in map(_cell, dumped.split()):
            if times > self._newest + 1 - number:
                raise ValueError(f"there are more cells than {seen} slices leave behind")
            for _ in range(times):
                if min(good, bad) < 0 or good + bad > min(self._per_cell, seen - number * self._per_cell):
                    raise ValueError(f"{good} good and {bad} bad slices are in one cell")
                self._good[number % self._cells], self._bad[number % self._cells] = good, bad
                number += 1
        if number != self._newest + 1:
            raise ValueError(f"there are fewer cells than {seen} slices leave behind")

    @property
    def _newest(self) -> int:
        """Number of the newest cell, counted from the first ever; -1: there is none."""
        return (self.seen - 1) // self._per_cell

    @property
    def _oldest(self) -> int:
        """Number of the oldest cell that is still there."""
        return max(0, self._newest - self._cells + 1)

    def _sum(self, counts: array[int], oldest: int) -> int:
        first, end = oldest % self._cells, self._newest % self._cells + 1
        if first < end:
            return sum(counts[first:end])
        return sum(counts[first:]) + sum(counts[:end])


def _cell(dumped: str) -> tuple[int, int, int]:
    counts, _, times = dumped.partition("*")
    good, _, bad = counts.partition("/")
    return int(good), int(bad), int(times or 1)
