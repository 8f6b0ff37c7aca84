"""The offline optimum: the cheapest course of each domain, had its whole demand been known beforehand.

A count holds for whole slices, moves take no time, and the first count is free. Two promises can be asked of
it:

`every_slice_kept`
    the fewest priced cost with no slice bad. A slice that even the maximum cannot keep gets the maximum.
`budget_spent`
    the fewest priced cost with as many slices bad as the objective allows. Slices that even the maximum
    cannot keep are bad in any course and come off the budget.

What a slice needs is reckoned as if nothing waited before it. So the cost is proven: no course whose counts
hold for whole slices is cheaper and keeps the same promise, and what is left waiting by one slice can at
worst turn the next one bad, which the score then says.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.replay.budget import spend
from autoscaler.replay.ladder import Ladder, Runs
from autoscaler.replay.prescribed import prescribed
from autoscaler.replay.slices import UNKNOWN, by_slice, judged, needed_vcpus, steps_of_slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from autoscaler.core.policy import Prices, Sla
    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace

    Floats = npt.NDArray[np.float64]
    Levels = npt.NDArray[np.int64]

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


def cost(course: Course, prices: Prices) -> float:
    """Priced cost J = vCPU-minutes + adds + removals, each at its price."""
    minutes = float(np.sum(course.online_vcpus)) * course.step_s / 60
    return minutes * prices.vcpu_minute + course.adds * prices.add + course.removals * prices.remove


def every_slice_kept(traces: Sequence[Trace], sla: Sla, prices: Prices) -> Optimum:
    """The cheapest courses that leave no slice bad; exact."""
    needs = [np.minimum(_needed(trace, sla), trace.maximum) for trace in traces]

    def cheapest(ladder: Ladder, _: list[int]) -> tuple[Levels, Floats]:
        never = np.full(ladder.domains, np.inf)
        return ladder.path(never), ladder.cost(never[None])[0]

    return _optimum(traces, sla, prices, needs, cheapest)


def budget_spent(traces: Sequence[Trace], sla: Sla, prices: Prices) -> Optimum:
    """Cheap courses with at most 1 - objective of the known slices bad, and a bound on all such courses."""
    needs, allowances = [], []
    for trace in traces:
        needed = _needed(trace, sla)
        lost = needed > trace.maximum
        needs.append(np.where(lost, 1, needed))
        allowances.append(max(_allowed(trace, sla) - np.count_nonzero(lost), 0))
    allowed = np.array(allowances)
    return _optimum(traces, sla, prices, needs, lambda ladder, rows: spend(ladder, allowed[rows]))


def _needed(trace: Trace, sla: Sla) -> Levels:
    return needed_vcpus(trace.demand_vcpus, trace.step_s, sla, trace.maximum)


def _allowed(trace: Trace, sla: Sla) -> int:
    """How many bad slices the objective allows over the whole trace."""
    demand_vcpus = by_slice(trace.demand_vcpus, steps_of_slice(sla, trace.step_s))
    known = np.count_nonzero(judged(demand_vcpus, np.inf) != UNKNOWN)
    # 1 - 0.95 is not quite 0.05 in floating point.
    return floor(round(1 - sla.objective_ratio, 9) * known)


def _optimum(
    traces: Sequence[Trace],
    sla: Sla,
    prices: Prices,
    needs: Sequence[Levels],
    cheapest: Callable[[Ladder, list[int]], tuple[Levels, Floats]],
) -> Optimum:
    """Find the courses, several domains at once; `cheapest` gives some domains' counts and bounds."""
    runs = [Runs.of(need, _minutes(trace, sla)) for trace, need in zip(traces, needs, strict=True)]
    bounds = np.zeros(len(traces))
    counts: dict[int, Levels] = {}
    for rows in _together(runs):
        path, bounds[rows] = cheapest(Ladder([runs[row] for row in rows], prices), rows)
        for column, row in enumerate(rows):
            by_slice = np.repeat(path[: len(runs[row].needs), column], runs[row].slices)
            steps, step_s = len(traces[row].demand_vcpus), traces[row].step_s
            counts[row] = np.repeat(by_slice, steps_of_slice(sla, step_s))[:steps]
    courses = prescribed(traces, [counts[row] for row in range(len(traces))])
    costs = tuple(cost(course, prices) for course in courses)
    return Optimum(courses=tuple(courses), bounds=tuple(bounds.tolist()), costs=costs)


def _together(domains: Sequence[Runs]) -> Iterator[list[int]]:
    """Put together domains that take about as long, none so large that others wait for it."""
    rows: list[int] = []
    most = 0
    for row in sorted(range(len(domains)), key=lambda row: len(domains[row].needs)):
        most = max(most, int(domains[row].needs.max()))
        if rows and most * (len(rows) + 1) > _CELLS:
            yield rows
            rows, most = [], int(domains[row].needs.max())
        rows.append(row)
    yield rows


def _minutes(trace: Trace, sla: Sla) -> Floats:
    """How long each slice is, shape (slices,); the last may be cut short."""
    steps, all_steps = steps_of_slice(sla, trace.step_s), len(trace.demand_vcpus)
    return np.minimum(steps, all_steps - np.arange(0, all_steps, steps)) * trace.step_s / 60
