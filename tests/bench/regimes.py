"""What a change of demand for good does to a guest under the default policy: at once, and in the days after.

The demand is made by the project's own generators: what was before, and from one noon on what comes after.
Beside each such guest runs a new one, whose demand is that of after from its first moment on, and HPA v2 at
70 %. Courses are cut into parts, and the optimum of the whole course with them: a move counts in the part in
which the guest comes to run what it brings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from autoscaler.core.policy import Prices, Sla
from autoscaler.replay.baseline_run import run_baselines
from autoscaler.replay.baselines.hpa import Hpa
from autoscaler.replay.circumstances import Circumstances, Lag
from autoscaler.replay.course import Course
from autoscaler.replay.generate import Kind, generate
from autoscaler.replay.optimum import every_slice_kept
from autoscaler.replay.score import Score, score
from autoscaler.replay.trace import Trace
from autoscaler.service.rehearsal import rehearse
from autoscaler.service.rehearsal_processes import on_all_cpus
from tests.bench.figures import Figure, figure
from tests.bench.replay import ADAPTIVE, DAY_S, STEP_S

HOUR_S = 3600.0
GUESTS = 6
"""Of each change; each has a seed of its own by its name."""
BEFORE_S, AFTER_S = 3.5 * DAY_S, 5 * DAY_S
"""Generated weeks begin on a Monday: it changes on Thursday at noon."""
LAG_S = 10.0
SEED = 1
HPA = Hpa(target_ratio=0.7)


@dataclass(frozen=True, slots=True)
class Change:
    """What changes for good."""

    sides: tuple[tuple[Kind, Kind], ...]
    """Kinds of demand before and after; the guests are shared out among them."""
    times: float = 1.0
    """How many times as much demand there is after."""
    later_s: float = 0.0
    """By how much the day comes earlier after."""


_LEVELS = ((Kind.DIURNAL, Kind.DIURNAL), (Kind.BURSTY, Kind.BURSTY))
CHANGES = {
    "none": Change(_LEVELS),
    "twice": Change(_LEVELS, times=2.0),
    "four-times": Change(_LEVELS, times=4.0),
    "half": Change(_LEVELS, times=0.5),
    "calm-to-bursty": Change(((Kind.DIURNAL, Kind.BURSTY),)),
    "bursty-to-calm": Change(((Kind.BURSTY, Kind.DIURNAL),)),
    "day-for-night": Change(((Kind.DIURNAL, Kind.DIURNAL),), later_s=DAY_S / 2),
}
PARTS = {
    "whole": (-BEFORE_S, AFTER_S),
    "before": (DAY_S - BEFORE_S, 0.0),
    "first-hour": (0.0, HOUR_S),
    "first-day": (0.0, DAY_S),
    "from-third-day": (2 * DAY_S, AFTER_S),
}
"""From when to when, in seconds after the change; what begins before it a new guest has not."""


def regimes(say: Callable[[str], None]) -> Iterator[Figure]:
    """By change, strategy and part: cost over the optimum's, and bad slices over those that are allowed."""
    say(f"replaying {GUESTS} guests for each of {', '.join(CHANGES)}; that takes some minutes")
    found = on_all_cpus([ChangePart(change) for change in CHANGES.values()])
    for name, scores in zip(CHANGES, found, strict=True):
        for (strategy, part), row in scores.items():
            at = f"regimes.{name}.{strategy}.{part}"
            yield figure(f"{at}.j", "optimum", [row.j_over_optimum])
            spent = [guest.budget_spent_ratio for guest in row.domains]
            yield figure(f"{at}.bad", "of allowed", [sum(spent) / len(spent)])
            yield figure(f"{at}.bad-of-worst", "of allowed", [max(spent)])


@dataclass(frozen=True, slots=True)
class ChangePart:
    """One change to replay; a `rehearsal_chunks.Part`."""

    change: Change
    guests: int = GUESTS

    @property
    def domain_steps(self) -> int:
        """How many a controller runs."""
        return round(self.guests * (BEFORE_S + 2 * AFTER_S) / STEP_S)

    def run(self, progress: Callable[[int], None] | None = None) -> Mapping[tuple[str, str], Score]:
        """The scores, by strategy and part."""
        changed, sla = demand(self.change, self.guests), Sla()
        new = [_from(trace, BEFORE_S) for trace in changed]
        world = Circumstances(lag=Lag.fixed(LAG_S))
        best = every_slice_kept(changed, sla, Prices()).courses
        scores = _by_part("changed", rehearse(changed, ADAPTIVE, world, progress=progress), best, BEFORE_S)
        scores |= _by_part("hpa", run_baselines([HPA], changed, world, sla)[HPA.name], best, BEFORE_S)
        new_best = every_slice_kept(new, sla, Prices()).courses
        return scores | _by_part("new", rehearse(new, ADAPTIVE, world, progress=progress), new_best, 0.0)


def demand(change: Change, guests: int) -> list[Trace]:
    """The demand of so many guests that meet this change."""
    share = ceil(guests / len(change.sides))
    return [
        _joined(before, after, change)
        for kinds in change.sides
        for before, after in zip(*(_generated(kind, share) for kind in kinds), strict=True)
    ][:guests]


def _generated(kind: Kind, guests: int) -> tuple[Trace, ...]:
    days = (BEFORE_S + AFTER_S + DAY_S / 2) / DAY_S
    return generate(kind, domains=guests, days=days, step_s=STEP_S, seed=SEED)


def _joined(before: Trace, after: Trace, change: Change) -> Trace:
    at, end, later = (round(s / STEP_S) for s in (BEFORE_S, BEFORE_S + AFTER_S, change.later_s))
    then = change.times * after.demand_vcpus[at + later : end + later]
    demand_vcpus = np.concatenate([before.demand_vcpus[:at], then])
    maximum = max(2, ceil(2 * demand_vcpus.max()))
    return replace(before, demand_vcpus=demand_vcpus, maximum=maximum)


def _from(trace: Trace, begin_s: float) -> Trace:
    return replace(
        trace,
        start_s=trace.start_s + begin_s,
        demand_vcpus=trace.demand_vcpus[round(begin_s / trace.step_s) :],
    )


def _by_part(
    strategy: str, courses: Sequence[Course], best: Sequence[Course], changes_s: float
) -> dict[tuple[str, str], Score]:
    """The scores of a strategy's courses, in which it changes after so long; of parts that begin in them."""
    scores = {}
    for part, (begin_s, end_s) in PARTS.items():
        if changes_s + begin_s >= 0:
            own, theirs = (
                [between(one, changes_s + begin_s, changes_s + end_s) for one in row]
                for row in (courses, best)
            )
            scores[strategy, part] = score(own, theirs, Sla(), Prices())
    return scores


def between(course: Course, begin_s: float, end_s: float) -> Course:
    """What a course is from one time to another; moves at the first belong to it."""
    steps = slice(round(begin_s / course.step_s), round(end_s / course.step_s))
    return replace(
        course,
        demand_vcpus=course.demand_vcpus[steps],
        wanted_vcpus=course.wanted_vcpus[steps],
        busy_vcpus=course.busy_vcpus[steps],
        online_vcpus=course.online_vcpus[steps],
        moves=tuple(
            replace(move, at_s=move.at_s - begin_s) for move in course.moves if begin_s <= move.at_s < end_s
        ),
    )
