"""The cheapest way through the slices of many domains at once, where moves have their prices and none is bad.

A dynamic programme over time and counts, with all domains as columns. From one slice to the next a count l
comes from the cheapest count j at value[j] + add x (l - j) or + remove x (j - l); as a move costs the same
for each vCPU, the minimum over all j is two running minima, so a slice costs O(counts) and not O(counts
squared). Slices in a row that need the same are one run: what does not pay at a run's begin or end does not
pay within it.

Invariant: what `cost` says is what `path` costs, and no other way costs less. Values are kept for about as
many runs as the root of their number; the others are reckoned twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from autoscaler.core.policy import Prices

    Floats = npt.NDArray[np.float64]
    Levels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runs:
    """One domain's slices, those in a row with one need together; arrays have the shape (runs,)."""

    needs: Levels
    """The fewest vCPUs with which a slice is not bad."""
    slices: Levels
    """How many there are."""
    minutes: Floats
    """How long they take, all together."""

    @classmethod
    def of(cls, needs: Levels, minutes: Floats) -> Self:
        """From what each slice needs and how long it is, both of shape (slices,)."""
        begins = np.flatnonzero(np.diff(needs, prepend=needs[0] - 1))
        return cls(
            needs=needs[begins],
            slices=np.diff(begins, append=len(needs)),
            minutes=np.add.reduceat(minutes, begins),
        )


class Ladder:
    """Several domains side by side. Counts above the greatest need help nobody and are left out."""

    def __init__(self, domains: Sequence[Runs], prices: Prices) -> None:
        self._runs, size = max(len(runs.needs) for runs in domains), len(domains)
        self._needs, self._dues = np.zeros((self._runs, size)), np.zeros((self._runs, size))
        for column, runs in enumerate(domains):
            self._needs[: len(runs.needs), column] = runs.needs
            self._dues[: len(runs.needs), column] = runs.minutes * prices.vcpu_minute
        self._prices = prices
        self._counts = np.arange(1.0, max(self._needs.max(), 1.0) + 1)[:, None]
        self._tilt, self._turn = self._counts * prices.remove, self._counts * (prices.add + prices.remove)

    def cost(self) -> Floats:
        """The least cost of each domain, shape (domains,)."""
        tilted = self._begin()
        for run in range(self._runs):
            self._pass(tilted, run)
        cost: Floats = np.min(tilted - self._tilt, axis=0)
        return cost

    def path(self) -> Levels:
        """The counts of a cheapest way, shape (runs, domains)."""
        stride = isqrt(self._runs) + 1
        tilted, kept = self._begin(), []
        for run in range(self._runs):
            if run % stride == 0:
                kept.append(tilted.copy())
            self._pass(tilted, run)
        chosen = np.argmin(tilted - self._tilt, axis=0)
        path = np.empty(self._needs.shape, dtype=np.int64)
        for begin in reversed(range(0, self._runs, stride)):
            before = [kept.pop()]
            for run in range(begin, min(begin + stride, self._runs) - 1):
                before.append(before[-1].copy())
                self._pass(before[-1], run)
            for run in reversed(range(begin, begin + len(before))):
                path[run] = chosen + 1
                chosen = self._came_from(before[run - begin] - self._tilt, chosen)
        return path

    def _begin(self) -> Floats:
        """The values before the first run, shape (counts, domains): any count is free.

        Values are kept with the price of removing all vCPUs added, which spares half of the work.
        """
        return np.tile(self._tilt, (1, self._needs.shape[1]))

    def _pass(self, tilted: Floats, run: int) -> None:
        """Turn the least cost of having each count before a run into that of having it in the run."""
        tilted -= self._turn
        np.minimum.accumulate(tilted, axis=0, out=tilted)
        tilted += self._turn
        np.minimum.accumulate(tilted[::-1], axis=0, out=tilted[::-1])
        tilted += self._counts * self._dues[run]
        np.copyto(tilted, np.inf, where=self._counts < self._needs[run])

    def _came_from(self, values: Floats, chosen: Levels) -> Levels:
        """The count, as an index, from which each domain came to the chosen one."""
        rise = chosen - np.arange(len(values))[:, None]
        moved = np.where(rise > 0, rise * self._prices.add, -rise * self._prices.remove)
        least: Levels = np.argmin(values + moved, axis=0)
        return least
