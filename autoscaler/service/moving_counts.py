"""Counts of what comes and goes, such as a decision's reason: those that move, for a scrape to tell.

A domain that has lived for long has had many reasons, and holds few of them now. Prometheus needs a count
while it moves: of one that stands it knows what it was. So one is told until it has stood for `TOLD_S`. When
it moves again it is told as it stood for `AGAIN_S`, or nobody would see by how much it moved at first: an
increase of what is there for the first time is none. What is rare is told as nought first for the same
reason; what moves with each tick is not, for a minute's delay would hide more than its first step.

Invariant: a count that is told never goes back.
"""

from __future__ import annotations

from typing import Generic, TypeVar

AGAIN_S = 60.0
"""The longest that most leave between two scrapes."""
TOLD_S = 3 * AGAIN_S
"""Where it moves again, for one scrape as it stood and for two as it is, so that one of them may fail."""

Key = TypeVar("Key")


class MovingCounts(Generic[Key]):
    """Counts by what they are of."""

    def __init__(self, *, rare: bool = False) -> None:
        """`rare`: whether each of what is counted matters, so that one which never moved stood at nought."""
        self._rare = rare
        self._counts: dict[Key, int] = {}
        self._moved_s: dict[Key, float] = {}
        """When each that is told moved last, the one that has stood longest first."""
        self._stood: dict[Key, tuple[int, float]] = {}
        """What those were that began to move, and since when they do."""

    def add(self, key: Key, now_s: float) -> None:
        """Count one more; `now_s` never goes back."""
        count = self._counts.get(key, 0)
        self._counts[key] = count + 1
        if self._moved_s.pop(key, None) is None and (count or self._rare):
            self._stood[key] = count, now_s
        self._moved_s[key] = now_s

    def told(self, now_s: float) -> dict[Key, int]:
        """Those that move, as they are to be told now."""
        while self._moved_s:
            key = next(iter(self._moved_s))
            if now_s - self._moved_s[key] < TOLD_S:
                break
            del self._moved_s[key]
        told = {key: self._counts[key] for key in self._moved_s}
        for key, (count, since_s) in [*self._stood.items()]:
            if now_s - since_s < AGAIN_S:
                told[key] = count
            else:
                del self._stood[key]
        return told
