"""What policy would suit a domain, by its own history: a few candidates are rehearsed, the cheapest kept.

The candidates differ in one thing at a time: first the minimum, then the prices, last the objective. Each is
rehearsed over the whole history; the first two thirds choose, the last third verifies what was chosen.

Invariant: the last third ranks nothing, it only strikes out: what it does not confirm is not advised.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from autoscaler.core.policy import AdaptiveStrategy, Prices, Sla
from autoscaler.replay.prescribed import prescribed
from autoscaler.replay.proposal import Advice, Measured, Proposal, Tried
from autoscaler.replay.score import cost, slices_of
from autoscaler.replay.slices import BAD, UNKNOWN, needed_vcpus, steps_of_slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from autoscaler.core.policy import Policy
    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace

T = TypeVar("T")

CHOOSING_RATIO = 2 / 3
"""Share of the history that chooses."""
LEAST_DAYS = 2.0
"""A shorter history shows no day twice."""
GAIN_RATIO = 0.05
"""A proposal that saves less than this share of the cost is not worth a change."""
FREE_RATIO = 0.02
"""What costs no more than this share is proposed: a stricter objective is worth it."""
HEADROOM_RATIO = 0.25
"""The maximum has room for a peak so much higher than any in the history."""
OBJECTIVES = (0.99, 0.995, 0.999)
MOST_CANDIDATES = 6
"""Rehearsals that one domain takes at most, that of the policy in force included."""
MOVE_AVERSE = Prices(vcpu_minute=1.0, add=4.0, remove=16.0)
_QUIET_RATIO = 0.25
"""Share of the hours that counts as quiet."""


Rehearsing = Generator["Policy", "Course", T]
"""Yields policies to rehearse, is sent the course of the trace under each, and returns what came of it."""


def advise(trace: Trace, base: Policy, *, governed: bool) -> Rehearsing[Advice]:
    """Advice for the domain of this trace.

    Args:
        trace: Its history.
        base: The policy that governs it, or what a proposal is to start from.
        governed: Whether `base` governs it already; else a fixed count is what it is held against.
    """
    if trace.span_s < LEAST_DAYS * 86400 or np.isnan(trace.demand_vcpus).mean() > 1 - CHOOSING_RATIO:
        why = f"leave it: {LEAST_DAYS:g} days of mostly known demand are the least to go by"
        return Advice(domain=trace.domain, proposal=None, why=why, as_it_is=None, tried=())
    trial = _Trial(trace, base)
    as_it_is = trial.of("as it is", None, (yield base)) if governed else trial.fixed()
    tried = yield from _search(trial)
    return _judged(trace, as_it_is, tried)


class _Trial:
    """One history, cut in two."""

    def __init__(self, trace: Trace, base: Policy) -> None:
        self.trace = trace
        self.base = base
        self._prices = base.strategy.prices if isinstance(base.strategy, AdaptiveStrategy) else Prices()
        self._in_slice = steps_of_slice(base.sla, trace.step_s)
        self._cut = int(len(trace.demand_vcpus) * CHOOSING_RATIO) // self._in_slice * self._in_slice

    def proposed(self, name: str, proposal: Proposal) -> Rehearsing[Tried]:
        """What becomes of the domain under a proposal."""
        return self.of(name, proposal, (yield proposal.policy(self.base)))

    def fixed(self) -> Tried:
        """The fewest vCPUs that, never changed, would have kept the promise in the part that chooses."""
        needed = np.sort(self._needed()[: self._cut // self._in_slice])
        spared = math.floor(round(1 - self.base.sla.objective_ratio, 9) * len(needed))
        count = min(int(needed[-1 - spared]), self.trace.maximum)
        (course,) = prescribed([self.trace], [np.full(len(self.trace.demand_vcpus), count)])
        return self.of(f"{count} vCPUs throughout", None, course)

    def of(self, name: str, proposal: Proposal | None, course: Course) -> Tried:
        """A course, measured in both parts."""
        objective_ratio = self.base.sla.objective_ratio if proposal is None else proposal.objective_ratio
        sla = replace(self.base.sla, objective_ratio=objective_ratio)
        return Tried(
            name=name,
            proposal=proposal,
            choosing=self._measured(course, sla, 0, self._cut),
            verifying=self._measured(course, sla, self._cut, len(course.demand_vcpus)),
        )

    def bounds(self) -> tuple[list[int], int]:
        """Minimums worth trying, and the maximum, from the part that chooses."""
        demand = self.trace.demand_vcpus[: self._cut]
        per_hour = max(int(3600 / self.trace.step_s), 1)
        hours = demand[: len(demand) // per_hour * per_hour].reshape(-1, per_hour)
        hourly = np.sort(hours[~np.isnan(hours).any(axis=1)].mean(axis=1))
        quiet = float(np.median(hourly[: max(int(len(hourly) * _QUIET_RATIO), 1)])) if len(hourly) else 0.0
        limit = self.base.sla.below if self.base.sla.below < 1 else 1.0
        needed = self._needed()[: self._cut // self._in_slice]
        most = min(math.ceil(int(needed.max()) * (1 + HEADROOM_RATIO)), self.trace.maximum)
        floor = min(max(math.ceil(quiet / limit), 1), most)
        return sorted({1, floor}), most

    def _needed(self) -> npt.NDArray[np.int64]:
        """VCPUs that each slice needs."""
        trace = self.trace
        return needed_vcpus(trace.demand_vcpus, trace.step_s, self.base.sla, trace.maximum)

    def _measured(self, course: Course, sla: Sla, begin: int, end: int) -> Measured:
        part = _part(course, begin, end)
        slices = slices_of(part, sla)
        bad, known = int((slices == BAD).sum()), int((slices != UNKNOWN).sum())
        return Measured(
            days=(end - begin) * course.step_s / 86400,
            j=cost(part, self._prices),
            vcpu_hours=float(part.online_vcpus.sum()) * course.step_s / 3600,
            adds=part.adds,
            removals=part.removals,
            bad=bad,
            known=known,
            kept=bad <= round(1 - sla.objective_ratio, 9) * known,
        )


def _part(course: Course, begin: int, end: int) -> Course:
    """The steps from `begin` up to `end`, as a course of their own."""
    begin_s, end_s = begin * course.step_s, end * course.step_s
    return replace(
        course,
        demand_vcpus=course.demand_vcpus[begin:end],
        wanted_vcpus=course.wanted_vcpus[begin:end],
        busy_vcpus=course.busy_vcpus[begin:end],
        online_vcpus=course.online_vcpus[begin:end],
        moves=tuple(
            replace(move, at_s=move.at_s - begin_s) for move in course.moves if begin_s <= move.at_s < end_s
        ),
    )


def _search(trial: _Trial) -> Rehearsing[tuple[Tried, ...]]:
    """The candidates, each step from the best of those before."""
    minimums, most = trial.bounds()
    objective_ratio = min(OBJECTIVES[0], trial.base.sla.objective_ratio)
    tried: list[Tried] = []
    for least in minimums:
        first = Proposal(min_vcpus=least, max_vcpus=most, objective_ratio=objective_ratio, prices=Prices())
        tried.append((yield from trial.proposed(f"min {least}", first)))
    averse = replace(_best(tried), prices=MOVE_AVERSE)
    tried.append((yield from trial.proposed("moves dear", averse)))
    chosen = _best(tried)
    for objective_ratio in OBJECTIVES[1:]:
        stricter = replace(chosen, objective_ratio=objective_ratio)
        tried.append((yield from trial.proposed(f"{100 * objective_ratio:g} %", stricter)))
    return tuple(tried)


def _best(tried: Sequence[Tried]) -> Proposal:
    proposal = _cheapest(tried).proposal
    assert proposal is not None
    return proposal


def _cheapest(tried: Sequence[Tried]) -> Tried:
    """The cheapest that keeps its promise where it is chosen; where none does, that of fewest bad slices."""
    return min(tried, key=_rank)


def _rank(one: Tried) -> tuple[bool, float]:
    kept = one.choosing.kept
    return not kept, one.choosing.j if kept else one.choosing.bad


def _judged(trace: Trace, as_it_is: Tried, tried: tuple[Tried, ...]) -> Advice:
    cheapest = _cheapest(tried)
    most_j = (1 + FREE_RATIO) * cheapest.choosing.j
    near = [one for one in tried if one.choosing.kept and one.choosing.j <= most_j]
    near.sort(key=_strictness, reverse=True)
    # A stricter promise that is nearly free, but not repeated, is no reason against a weaker one that is.
    best = next((one for one in near if one.verifying.kept), near[0] if near else None)
    reason = _against_it(best, as_it_is)
    if best is None or reason:
        why, proposal = f"leave it: {reason}", None
    else:
        why, proposal = _for_it(best, as_it_is, tried), best.proposal
    return Advice(domain=trace.domain, proposal=proposal, why=why, as_it_is=as_it_is, tried=tried)


def _strictness(one: Tried) -> tuple[float, float]:
    """The strictest objective first, of those the cheapest."""
    assert one.proposal is not None
    return one.proposal.objective_ratio, -one.choosing.j


def _against_it(best: Tried | None, as_it_is: Tried) -> str:
    """Why nothing is to be changed; empty: something is."""
    if best is None:
        return "no candidate would have kept its promise in the first two thirds of the history"
    if not best.verifying.kept:
        return (
            f"what kept its promise in the first {best.choosing.days:.1f} days did not in the last "
            f"{best.verifying.days:.1f} ({_attained(best.verifying)} attained): the demand does not repeat "
            "itself"
        )
    if as_it_is.verifying.kept and _saved(best, as_it_is) < GAIN_RATIO:
        flat = "; the demand is flat" if not best.verifying.adds + best.verifying.removals else ""
        return (
            f"the best candidate saves {100 * _saved(best, as_it_is):.1f} % against {as_it_is.name}, less "
            f"than {100 * GAIN_RATIO:g} %{flat}"
        )
    return ""


def _for_it(best: Tried, as_it_is: Tried, tried: tuple[Tried, ...]) -> str:
    others = ", ".join(
        f"{other.name} {100 * (other.choosing.j / best.choosing.j - 1):+.1f} %"
        + ("" if other.choosing.kept else " and breaks its promise")
        for other in tried
        if other is not best
    )
    broke = "" if as_it_is.verifying.kept else f", which attains only {_attained(as_it_is.verifying)}"
    return (
        f"chosen on the first {best.choosing.days:.1f} days (others cost: {others}); verified on the last "
        f"{best.verifying.days:.1f}: {_attained(best.verifying)} attained, "
        f"{100 * _saved(best, as_it_is):.1f} % saved against {as_it_is.name}{broke}"
    )


def _saved(best: Tried, as_it_is: Tried) -> float:
    return 1 - best.verifying.j / as_it_is.verifying.j


def _attained(measured: Measured) -> str:
    ratio = measured.attained_ratio
    return "nothing known" if ratio is None else f"{100 * ratio:.2f} %"
