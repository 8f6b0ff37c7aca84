"""Every slice of one domain since its first sight: totals, the last hours exactly, the window in cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from autoscaler.core.dumped import text, whole
from autoscaler.core.slice_rings import Count, RecentSlices, WindowSlices

if TYPE_CHECKING:
    from collections.abc import Mapping

RECENT_S: Final = 6 * 3600.0
"""How far back every slice is kept on its own."""
_MOST_SLICES: Final = 1 << 50


class SliceLedger:
    """Counts slices, and looks back over any span up to the window."""

    __slots__ = ("_bad", "_good", "_recent", "_slice_s", "_window", "window")

    def __init__(self, slice_s: float, window_s: float) -> None:
        self._slice_s = slice_s
        self.window = max(1, round(window_s / slice_s))
        """Slices in a whole window."""
        self._recent = RecentSlices(min(self.window, max(1, round(RECENT_S / slice_s))))
        self._window = WindowSlices(self.window)
        self._good = 0
        self._bad = 0

    def add(self, *, good: bool) -> None:
        """One more slice that is known."""
        self._recent.add(good=good)
        self._window.add(good=good)
        self._good += good
        self._bad += not good

    def skip(self, slices: int) -> None:
        """So many more that are not known."""
        self._recent.skip(slices)
        self._window.skip(slices)

    def last(self, span_s: float) -> Count:
        """The slices of the last so many seconds: at least one, at most the window."""
        slices = max(1, round(span_s / self._slice_s))
        return (self._recent if span_s <= RECENT_S else self._window).last(slices)

    def in_window(self) -> Count:
        """The slices of the window, the oldest of them only in whole cells."""
        return self._window.last(self.window)

    def since_good(self) -> Count:
        """The slices after the last good one, from the first bad one of them on; `RECENT_S` back at most."""
        return self._recent.since_good()

    def since_bad(self) -> int:
        """How many slices came after the last bad one; 0: none of those was good."""
        return self._recent.since_bad()

    def ever(self) -> Count:
        """All slices since the first."""
        return Count(self._good, self._bad, self._window.seen - self._good - self._bad)

    def dump(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "seen": self._window.seen,
            "good": self._good,
            "bad": self._bad,
            "recent": self._recent.dump(),
            "window": self._window.dump(),
        }

    def load(self, dumped: Mapping[str, object]) -> None:
        """Take on what a ledger of the same slices and window dumped.

        Raises:
            ValueError: it cannot have.
        """
        seen = whole(dumped, "seen", 0, _MOST_SLICES)
        self._recent.load(text(dumped, "recent"), seen)
        self._window.load(text(dumped, "window"), seen)
        within = self.in_window()
        self._good = whole(dumped, "good", within.good, seen)
        self._bad = whole(dumped, "bad", within.bad, seen - self._good)
