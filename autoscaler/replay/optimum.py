"""The offline optimum: the cheapest course of each domain, had its whole demand been known beforehand.

A count holds for whole slices, moves take no time, and the first count is free. Two promises can be asked of
it:

`every_slice_kept`
    the fewest priced cost with no slice bad. A slice that even the maximum cannot keep gets the maximum.
`budget_spent`
    the fewest priced cost with as many slices bad as the objective allows. Slices that even the maximum
    cannot keep are bad in any course and come off the budget.

The bound is of what each slice needs if nothing waits when it begins: no course whose counts hold for whole
slices costs less and keeps the same promise. Where the course that keeps every slice breaks one by what the
one before left undone, that is given what it needs besides and the course found anew, so that it really keeps
the promise; what this costs is the gap between cost and bound. A course that spends a budget is not mended:
what it skips waits, and may break more slices than it counts. There only the bound is sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.replay.budget import spend
from autoscaler.replay.ladder import Ladder, Runs
from autoscaler.replay.prescribed import prescribed
from autoscaler.replay.score import cost, slices_of
from autoscaler.replay.slices import BAD, UNKNOWN, by_slice, judged, needed_vcpus, steps_of_slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from autoscaler.core.policy import Prices, Sla
    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace

    Floats = npt.NDArray[np.float64]
    Levels = npt.NDArray[np.int64]

_MENDS = 3
"""How often courses are found anew for slices that others broke."""
_CELLS = 2048
"""Counts x domains that are reckoned together: enough to be quick, few enough for the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The cheapest courses, in the order of the traces."""

    courses: tuple[Course, ...]
    bounds: tuple[float, ...]
    """What is proven of each domain: a course that keeps the promise costs at least so much."""
    costs: tuple[float, ...]
    """What the courses cost."""

    @property
    def gap_ratio(self) -> float:
        """How far the costs, all together, can be from the least ones; 0: they are the least."""
        return sum(self.costs) / sum(self.bounds) - 1.0


def every_slice_kept(traces: Sequence[Trace], sla: Sla, prices: Prices) -> Optimum:
    """The cheapest courses that leave no slice bad: exact but for what slices leave undone."""
    needs = [np.minimum(_needed(trace, sla), trace.maximum) for trace in traces]

    def cheapest(ladder: Ladder, _: list[int]) -> tuple[Levels, Floats]:
        never = np.full(ladder.domains, np.inf)
        return ladder.path(never), ladder.cost(never[None])[0]

    return _Search(traces=traces, sla=sla, prices=prices, cheapest=cheapest).optimum(needs, mends=_MENDS)


def budget_spent(traces: Sequence[Trace], sla: Sla, prices: Prices) -> Optimum:
    """Cheap courses with at most 1 - objective of the known slices bad, and a bound on all such courses."""
    needs, allowances = [], []
    for trace in traces:
        needed = _needed(trace, sla)
        lost = needed > trace.maximum
        needs.append(np.where(lost, 1, needed))
        allowances.append(max(_allowed(trace, sla) - np.count_nonzero(lost), 0))
    allowed = np.array(allowances)

    def cheapest(ladder: Ladder, rows: list[int]) -> tuple[Levels, Floats]:
        return spend(ladder, allowed[rows])

    return _Search(traces=traces, sla=sla, prices=prices, cheapest=cheapest).optimum(needs, mends=0)


def _needed(trace: Trace, sla: Sla) -> Levels:
    return needed_vcpus(trace.demand_vcpus, trace.step_s, sla, trace.maximum)


def _allowed(trace: Trace, sla: Sla) -> int:
    """How many bad slices the objective allows over the whole trace."""
    demand_vcpus = by_slice(trace.demand_vcpus, steps_of_slice(sla, trace.step_s))
    known = np.count_nonzero(judged(demand_vcpus, np.inf) != UNKNOWN)
    # 1 - 0.95 is not quite 0.05 in floating point.
    return floor(round(1 - sla.objective_ratio, 9) * known)


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
    cheapest: Callable[[Ladder, list[int]], tuple[Levels, Floats]]
    """Gives the counts of some of the traces, and the bounds."""

    def optimum(self, needs: list[Levels], *, mends: int) -> Optimum:
        """Find courses for what each slice needs, and again where one breaks by what another left undone."""
        rows = range(len(self.traces))
        found = self._find(rows, needs)
        bounds = tuple(found[row].bound for row in rows)
        for _ in range(mends):
            broken = [row for row in rows if self._mend(row, needs, found[row])]
            found |= self._find(broken, needs)
        courses = tuple(found[row].course for row in rows)
        costs = tuple(cost(course, self.prices) for course in courses)
        return Optimum(courses=courses, bounds=bounds, costs=costs)

    def _find(self, rows: Iterable[int], needs: Sequence[Levels]) -> dict[int, _Found]:
        traces, sla = self.traces, self.sla
        runs = {row: Runs.of(needs[row], _minutes(traces[row], sla)) for row in rows}
        counts, bounds = {}, {}
        for together in _together(runs):
            path, proven = self.cheapest(Ladder([runs[row] for row in together], self.prices), together)
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
        """Let slices that broke with what they need alone need what they do with what they found undone.

        Returns:
            Whether there were any that could be kept.
        """
        trace, sla = self.traces[row], self.sla
        first = slice(None, None, steps_of_slice(sla, trace.step_s))
        waiting_vcpus = np.nan_to_num(found.course.wanted_vcpus[first] - trace.demand_vcpus[first])
        needed = needed_vcpus(trace.demand_vcpus, trace.step_s, sla, trace.maximum, waiting_vcpus)
        # The plant's last digit may differ where a slice is just below its limit.
        needed = np.maximum(needed, found.counts + 1)
        broken = (slices_of(found.course, sla) == BAD) & (found.counts >= needs[row])
        broken &= needed <= trace.maximum
        needs[row] = np.where(broken, needed, needs[row])
        return bool(np.any(broken))


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
