"""How long a vCPU that is no longer wanted is kept: as long as its own history says that it will be again.

For each level of vCPUs a histogram tells how long the want stayed below it before it came back. The hold is
the one that would have been cheapest over that history: keeping a vCPU costs its time, giving it up and
taking it again costs the two moves. Old gaps fade, with a half-life of two days.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from math import inf
from typing import TYPE_CHECKING, Final

from autoscaler.core.dumped import LONGEST_S, ago_s, branches, number, number_or_none, whole, wholes

if TYPE_CHECKING:
    from collections.abc import Mapping

BINS: Final = 25
_GROWTH: Final = 1.45
_EDGES_S: Final = tuple(10.0 * _GROWTH**power for power in range(BINS - 1))
"""Bin i holds the gaps up to edge i, the last bin all longer ones: no hold covers those."""
_MIDDLES_S: Final = tuple(edge_s / _GROWTH**0.5 for edge_s in _EDGES_S)
"""What a gap of a bin counts as."""
_GAP: Final = 1024
"""One gap's weight: whole numbers make a dump exact and short."""
_MOST_WEIGHT: Final = (1 << 32) - 1
_HOUR_S: Final = 3600.0
_HOURLY: Final = 0.5 ** (1 / 48)
_ENOUGH_GAPS: Final = 3
"""Fewer say nothing: then a vCPU is kept until keeping it has cost as much as the two moves."""
_DOUBT: Final = 2.0
"""Gaps that never end, added to every history: keeps a level that is not wanted again from being held."""
_STALE: Final = -1.0
_NONE: Final = -1.0
_MOST_LEVELS: Final = 4096


class LearnedHolds:
    """What is known of each level of vCPUs that one domain ever wanted."""

    __slots__ = (
        *("_aged_s", "_covered", "_gaps", "_hold_s", "_last_s", "_level", "_move_s", "_noted_s"),
        *("_over_from", "_seen"),
    )

    def __init__(self, move_s: float, now_s: float) -> None:
        self._move_s = move_s
        """The price of giving a vCPU up and taking it again, in seconds of keeping it."""
        self._level = 0
        """The level wanted last, at `_noted_s`: it and all below were last wanted then."""
        self._noted_s = now_s
        self._aged_s = now_s
        self._over_from = 0
        """No level above is held, nor will be before it is wanted again, or its hold is found anew."""
        self._last_s = array("d")
        """When each level above `_level` was last wanted; by index, level 1 first."""
        self._seen = array("B")
        self._hold_s = array("d")
        """Learned from the gaps when asked for; `_STALE`: they have changed since."""
        self._covered = array("d")
        """Found with a level's hold: the share of its gaps that are no longer; `_NONE`: it has none."""
        self._gaps = array("I")
        """`BINS` weights a level."""

    def note(self, level: int, now_s: float) -> None:
        """This level is wanted now, and none above."""
        if now_s - self._aged_s >= _HOUR_S:
            self._fade(now_s)
        if level < self._level:
            for index in range(level, self._level):
                self._last_s[index] = self._noted_s
        elif level > self._level:
            self.reach(level)
            for index in range(self._level, level):
                self._record(index, now_s - self._last_s[index])
        self._level, self._noted_s = level, now_s
        self._over_from = max(self._over_from, level)

    def count_as_wanted(self, level: int, now_s: float) -> None:
        """Keep this level as if it had been wanted now; nothing is learned from that."""
        self.reach(level)
        for index in range(self._level, level):
            self._last_s[index] = now_s
        self._noted_s = now_s
        self._over_from = max(self._over_from, level, self._level)

    def highest_kept(self, level: int, now_s: float) -> int:
        """The highest level still held, at least this one."""
        for index in range(self._over_from - 1, level - 1, -1):
            last_s = self._noted_s if index < self._level else self._last_s[index]
            hold_s = self._hold_s[index]
            if now_s - last_s <= (self._learn(index) if hold_s < 0 else hold_s):
                return index + 1
            self._over_from = index
        return level

    def hold_s(self, level: int) -> float:
        """How long this level is kept, in seconds."""
        hold_s = self._hold_s[level - 1]
        return self._learn(level - 1) if hold_s < 0 else hold_s

    def covered_ratio(self, level: int) -> float | None:
        """How often this level was wanted again within its hold; None: it never came back."""
        if self._hold_s[level - 1] < 0:
            self._learn(level - 1)
        covered = self._covered[level - 1]
        return None if covered < 0 else covered

    def _weights(self, index: int) -> array[int]:
        return self._gaps[index * BINS : (index + 1) * BINS]

    @property
    def levels(self) -> int:
        """How many levels something is kept of."""
        return len(self._last_s)

    def reach(self, level: int) -> None:
        """Keep something of every level up to this one, though it was never wanted yet."""
        new = level - len(self._last_s)
        if new > 0:
            self._last_s.extend([-inf] * new)
            self._seen.extend([0] * new)
            self._hold_s.extend([_STALE] * new)
            self._covered.extend([_NONE] * new)
            self._gaps.extend([0] * (BINS * new))

    def _record(self, index: int, gap_s: float) -> None:
        if gap_s == inf:
            return
        place = index * BINS + bisect_left(_EDGES_S, gap_s)
        self._gaps[place] = min(self._gaps[place] + _GAP, _MOST_WEIGHT)
        self._seen[index] = min(self._seen[index] + 1, _ENOUGH_GAPS)
        self._hold_s[index] = _STALE

    def _fade(self, now_s: float) -> None:
        hours = int((now_s - self._aged_s) / _HOUR_S)
        self._aged_s += hours * _HOUR_S
        kept = _HOURLY**hours
        for place, weight in enumerate(self._gaps):
            if weight:
                self._gaps[place] = int(weight * kept)
        for index in range(len(self._hold_s)):
            self._hold_s[index] = _STALE
        self._over_from = len(self._hold_s)

    def _learn(self, index: int) -> float:
        """The cheapest hold: the least of 2 (w + P) + each gap's own length if w covers it, else w + P."""
        best_s, weights = 0.0, self._weights(index)
        total = sum(weights)
        if self._seen[index] < _ENOUGH_GAPS:
            best_s = self._move_s
        else:
            left, kept_s = _DOUBT + total / _GAP, 0.0
            least = left * self._move_s
            for weight, middle_s, edge_s in zip(weights, _MIDDLES_S, _EDGES_S, strict=False):
                if weight:
                    left -= weight / _GAP
                    kept_s += weight / _GAP * middle_s
                    cost = left * (edge_s + self._move_s) + kept_s
                    if cost < least:
                        least, best_s = cost, edge_s
        self._hold_s[index] = best_s
        self._covered[index] = sum(weights[: bisect_right(_EDGES_S, best_s)]) / total if total else _NONE
        return best_s

    def dump(self, now_s: float) -> dict[str, object]:
        """Plain JSON values; times as ages."""
        levels = [
            {
                "last_s": None if last_s == -inf else ago_s(now_s, last_s),
                "seen": self._seen[index],
                "gaps": list(self._weights(index)) if self._seen[index] else [],
            }
            for index, last_s in enumerate(self._last_s)
        ]
        return {
            "level": self._level,
            "noted_s": ago_s(now_s, self._noted_s),
            "aged_s": ago_s(now_s, self._aged_s),
            "levels": levels,
        }

    def load(self, dumped: Mapping[str, object], then_s: float) -> None:
        """Take on what was dumped at that moment."""
        levels = branches(dumped, "levels", _MOST_LEVELS)
        self.reach(len(levels))
        self._over_from = len(levels)
        self._level = whole(dumped, "level", 0, len(levels))
        self._noted_s = then_s - number(dumped, "noted_s", 0.0, LONGEST_S)
        self._aged_s = then_s - number(dumped, "aged_s", 0.0, LONGEST_S)
        for index, level in enumerate(levels):
            age_s = number_or_none(level, "last_s", 0.0, LONGEST_S)
            self._last_s[index] = -inf if age_s is None else then_s - age_s
            self._seen[index] = whole(level, "seen", 0, _ENOUGH_GAPS)
            weights = wholes(level, "gaps", BINS, _MOST_WEIGHT)
            self._gaps[index * BINS : index * BINS + len(weights)] = array("I", weights)
