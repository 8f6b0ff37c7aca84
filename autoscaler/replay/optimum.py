"""The offline optimum: the cheapest course of each domain, had its whole demand been known beforehand.

A count holds for whole slices, moves take no time, and the first count is free. What is looked for is the
fewest priced cost with no slice bad. A slice that even the maximum cannot keep gets the maximum.

Found exactly is the least cost of what each slice needs if nothing waits when it begins: the bound. No course
whose counts hold for whole slices costs less and keeps every slice. Where the course of that cost breaks a
slice by what the one before left undone, the slice is given what it needs besides; where even the maximum
would not do, those before it are given more, so that they leave less. Then the course is found anew. So it
really keeps the promise, unless no course that was tried does, and may cost more than the least: by no more
than the gap between cost and bound, which is zero where no slice leaves work that breaks the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.replay.ladder import Ladder, Runs
from autoscaler.replay.prescribed import prescribed
from autoscaler.replay.score import slices_of
from autoscaler.replay.slices import BAD, by_slice, left_undone, needed_vcpus, steps_of_slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from autoscaler.core.policy import Prices, Sla
    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace

    Floats = npt.NDArray[np.float64]
    Levels = npt.NDArray[np.int64]

_MENDS = 8
"""How often courses are found anew for slices that others broke."""
_CELLS = 2048
"""Counts x domains that are reckoned together: enough to be quick, few enough for the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The cheapest courses, in the order of the traces."""

    courses: tuple[Course, ...]
    bounds: tuple[float, ...]
    """What is proven of each domain: a course that keeps the promise costs at least so much."""


def every_slice_kept(traces: Sequence[Trace], sla: Sla, prices: Prices) -> Optimum:
    """The cheapest courses that leave no slice bad: exact but for what slices leave undone."""
    search = _Search(traces=traces, sla=sla, prices=prices)
    needs = [np.minimum(_needed(trace, sla), trace.maximum) for trace in traces]
    return search.optimum(needs)


def _needed(trace: Trace, sla: Sla) -> Levels:
    return needed_vcpus(trace.demand_vcpus, trace.step_s, sla, trace.maximum)


class _Found(NamedTuple):
    """What was found for a domain."""

    counts: Levels
    """VCPUs of each slice."""
    bound: float
    course: Course


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """What stays the same while courses are looked for."""

    traces: Sequence[Trace]
    sla: Sla
    prices: Prices

    def optimum(self, needs: list[Levels]) -> Optimum:
        """Find courses for what each slice needs, and again where one breaks by what another left undone."""
        rows: Sequence[int] = range(len(self.traces))
        found = self._find(rows, needs)
        bounds = tuple(found[row].bound for row in rows)
        for _ in range(_MENDS):
            rows = [row for row in rows if self._mend(row, needs, found[row])]
            found |= self._find(rows, needs)
        return Optimum(courses=tuple(found[row].course for row in range(len(self.traces))), bounds=bounds)

    def _find(self, rows: Iterable[int], needs: Sequence[Levels]) -> dict[int, _Found]:
        traces, sla = self.traces, self.sla
        runs = {row: Runs.of(needs[row], _minutes(traces[row], sla)) for row in rows}
        counts, bounds = {}, {}
        for together in _together(runs):
            ladder = Ladder([runs[row] for row in together], self.prices)
            path, proven = ladder.path(), ladder.cost()
            for column, row in enumerate(together):
                counts[row] = np.repeat(path[: len(runs[row].needs), column], runs[row].slices)
                bounds[row] = float(proven[column])
        steps = [
            np.repeat(counts[row], steps_of_slice(sla, traces[row].step_s))[: len(traces[row].demand_vcpus)]
            for row in runs
        ]
        courses = prescribed([traces[row] for row in runs], steps)
        return {
            row: _Found(counts[row], bounds[row], course) for row, course in zip(runs, courses, strict=True)
        }

    def _mend(self, row: int, needs: list[Levels], found: _Found) -> bool:
        """Let slices that broke have what they need with what they found undone, or find less undone.

        Returns:
            Whether there were any that could be kept.
        """
        trace, sla = self.traces[row], self.sla
        broken = slices_of(found.course, sla) == BAD
        if not broken.any():
            return False
        broken &= _needed(trace, sla) <= trace.maximum
        first = slice(None, None, steps_of_slice(sla, trace.step_s))
        waiting_vcpus = np.nan_to_num(found.course.wanted_vcpus[first] - trace.demand_vcpus[first])
        needed = needed_vcpus(trace.demand_vcpus, trace.step_s, sla, trace.maximum, waiting_vcpus)
        # The plant's last digit may differ where a slice is just below its limit.
        needed = np.maximum(needed, found.counts + 1)
        within = broken & (needed <= trace.maximum)
        wanted = np.where(within, needed, needs[row])
        for late in np.flatnonzero(broken & ~within):
            self._lighten(trace, found.counts, waiting_vcpus, int(late), wanted)
        mended = bool(np.any(wanted > needs[row]))
        needs[row] = wanted
        return mended

    def _lighten(
        self, trace: Trace, counts: Levels, waiting_vcpus: Floats, late: int, wanted: Levels
    ) -> None:
        """Have the nearest slice before a late one that can leave so little that the maximum keeps that."""
        for early in reversed(range(late)):
            if counts[early] < trace.maximum and self._kept(trace, waiting_vcpus, early, late, trace.maximum):
                fewest, most = int(counts[early]) + 1, trace.maximum
                while fewest < most:
                    middle = (fewest + most) // 2
                    if self._kept(trace, waiting_vcpus, early, late, middle):
                        most = middle
                    else:
                        fewest = middle + 1
                wanted[early] = max(wanted[early], fewest)
                wanted[early + 1 : late] = trace.maximum
                return
            if waiting_vcpus[early] <= 0:
                return  # Nothing comes from further back.

    def _kept(self, trace: Trace, waiting_vcpus: Floats, early: int, late: int, vcpus: int) -> bool:
        """Whether the maximum keeps a late slice where an early one has so many, and all between the most."""
        steps = steps_of_slice(self.sla, trace.step_s)
        *before, last = by_slice(trace.demand_vcpus[early * steps : (late + 1) * steps], steps)
        left_vcpus, online = float(waiting_vcpus[early]), vcpus
        for demand_vcpus in before:
            left_vcpus = left_undone(demand_vcpus, online, trace.step_s, left_vcpus)
            online = trace.maximum
        needed = needed_vcpus(last, trace.step_s, self.sla, trace.maximum, left_vcpus)
        return bool(needed[0] <= trace.maximum)


def _together(domains: Mapping[int, Runs]) -> Iterator[list[int]]:
    """Put together domains that take about as long, none so large that others wait for it."""
    rows: list[int] = []
    most = 0
    for row in sorted(domains, key=lambda row: len(domains[row].needs)):
        most = max(most, int(domains[row].needs.max()))
        if rows and most * (len(rows) + 1) > _CELLS:
            yield rows
            rows, most = [], int(domains[row].needs.max())
        rows.append(row)
    if rows:
        yield rows


def _minutes(trace: Trace, sla: Sla) -> Floats:
    """How long each slice is, shape (slices,); the last may be cut short."""
    steps, all_steps = steps_of_slice(sla, trace.step_s), len(trace.demand_vcpus)
    return np.minimum(steps, all_steps - np.arange(0, all_steps, steps)) * trace.step_s / 60
