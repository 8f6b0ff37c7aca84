"""One replay, whole: policies, baselines and the optimum over the same traces in the same circumstances.

Invariant: all strategies of a domain are judged by one service level at one set of prices, those of the
policy that stands: the one that is held against, else the one that is tried. What comes of a domain does not
depend on those that it is tried with, unless they share a host.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autoscaler.core.policy import AdaptiveStrategy, Prices
from autoscaler.replay.baseline_run import run_baselines
from autoscaler.replay.baselines.suite import RULES
from autoscaler.replay.circumstances import Lag
from autoscaler.replay.compare import change_of
from autoscaler.replay.judged import Judged, Spending, Tried
from autoscaler.replay.optimum import every_slice_kept
from autoscaler.replay.result import AGAINST, OPTIMUM, POLICY
from autoscaler.replay.score import Yardstick, domain_score, slices_of
from autoscaler.replay.simulated_guest import policy_of
from autoscaler.service.rehearsal import rehearse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from autoscaler.core.policy import Policy, PolicySet, Sla
    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.compare import Change
    from autoscaler.replay.course import Course
    from autoscaler.replay.score import DomainScore
    from autoscaler.replay.trace import Trace


_BASELINES_FOR = 8
"""Domains whose courses by all baselines are in memory at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is tried."""

    policies: Mapping[str, PolicySet]
    """By `POLICY` and, where there is one, `AGAINST`; both govern every domain."""
    circumstances: Circumstances
    baselines: bool
    lags: tuple[float, ...] = ()
    """Seconds: the policies and baselines are tried with each of these, too."""

    @property
    def rehearsals(self) -> int:
        """How often the controller runs over every trace."""
        return len(self.policies) * (1 + len(self.lags))

    def judging(self, domain: str) -> tuple[Sla, Prices]:
        """By what a domain is judged, and at what prices."""
        standing = AGAINST if AGAINST in self.policies else POLICY
        policy = self.governing(standing, domain)
        strategy = policy.strategy
        return policy.sla, strategy.prices if isinstance(strategy, AdaptiveStrategy) else Prices()

    def governing(self, name: str, domain: str) -> Policy:
        """The policy of this name's set that governs a domain."""
        policy = policy_of(domain, self.policies[name])
        assert policy is not None, "a domain that no policy governs was to be left out"
        return policy


@dataclass(frozen=True, slots=True)
class TrialPart:
    """Some domains to try everything on; a `rehearsal_chunks.Part`."""

    traces: tuple[Trace, ...]
    trial: Trial

    @property
    def domain_steps(self) -> int:
        """How many a controller runs, and once more where the baselines run beside each."""
        trial = self.trial
        rounds = trial.rehearsals + trial.baselines * (1 + len(trial.lags))
        return rounds * sum(len(trace.demand_vcpus) for trace in self.traces)

    def run(self, progress: Callable[[int], None] | None = None) -> list[Tried]:
        """What came of each domain."""
        return try_domains(self.traces, self.trial, progress or (lambda _: None))


def try_domains(traces: Sequence[Trace], trial: Trial, progress: Callable[[int], None]) -> list[Tried]:
    """Try everything on these traces; `progress` is told of domain-steps that are over."""
    judge = Judge(traces, trial)
    by_policy = {name: judge.policy(name, progress) for name in trial.policies}
    scores = {name: [one.score for one in judged] for name, judged in by_policy.items()}
    scores |= dict(judge.baselines(trial.circumstances, progress))
    scores[OPTIMUM] = judge.optimum
    at_lags = {
        (name, lag_s): found
        for lag_s in trial.lags
        for name, found in judge.everything(_lagging(trial.circumstances, lag_s), progress)
    }
    return [
        Tried(
            domain=trace.domain,
            scores={name: found[number] for name, found in scores.items()},
            least_j=judge.least_j[number],
            at_lags={place: found[number] for place, found in at_lags.items()},
            change=_change({name: found[number] for name, found in by_policy.items()}),
            spent={
                name: Spending(sla=found[number].sla, slices=found[number].slices)
                for name, found in by_policy.items()
            },
        )
        for number, trace in enumerate(traces)
    ]


class Judge:
    """Runs strategies over some traces and judges each domain by its own service level."""

    def __init__(self, traces: Sequence[Trace], trial: Trial) -> None:
        self._traces = traces
        self._trial = trial
        self._groups: dict[tuple[Sla, Prices], list[int]] = {}
        for number, trace in enumerate(traces):
            self._groups.setdefault(trial.judging(trace.domain), []).append(number)
        optimum, self.least_j = self._optimum()
        self._yardsticks = [Yardstick.of(one, *trial.judging(one.domain)) for one in optimum]
        self.optimum = self.scores(optimum)
        """The optimum's scores; its courses, as large as a policy's, are not held while policies run."""

    def policy(self, name: str, progress: Callable[[int], None]) -> list[Judged]:
        """What becomes of each domain under one of the policies."""
        trial = self._trial
        courses = rehearse(self._traces, trial.policies[name], trial.circumstances, progress=progress)
        return [
            Judged(
                start_s=trace.start_s,
                sla=(sla := trial.judging(trace.domain)[0]),
                promised=trial.governing(name, trace.domain).sla,
                course=course,
                slices=slices_of(course, sla),
                score=row,
            )
            for trace, course, row in zip(self._traces, courses, self.scores(courses), strict=True)
        ]

    def baselines(
        self, circumstances: Circumstances, progress: Callable[[int], None]
    ) -> Iterator[tuple[str, list[DomainScore]]]:
        """What becomes of each domain under each baseline, if they are wanted."""
        if not self._trial.baselines:
            return
        scores: dict[str, dict[int, DomainScore]] = {rule.name: {} for rule in RULES}
        for (sla, _), numbers in self._groups.items():
            for begin in range(0, len(numbers), _BASELINES_FOR):
                few = numbers[begin : begin + _BASELINES_FOR]
                ran = run_baselines(RULES, [self._traces[number] for number in few], circumstances, sla)
                for name, courses in ran.items():
                    scores[name] |= {
                        number: self._score(number, course)
                        for number, course in zip(few, courses, strict=True)
                    }
                progress(sum(len(self._traces[number].demand_vcpus) for number in few))
        for name, by_number in scores.items():
            yield name, [by_number[number] for number in range(len(self._traces))]

    def everything(
        self, circumstances: Circumstances, progress: Callable[[int], None]
    ) -> Iterator[tuple[str, list[DomainScore]]]:
        """Policies and baselines in other circumstances."""
        for name, policies in self._trial.policies.items():
            yield name, self.scores(rehearse(self._traces, policies, circumstances, progress=progress))
        yield from self.baselines(circumstances, progress)

    def scores(self, courses: Sequence[Course]) -> list[DomainScore]:
        """The score of each domain, in the traces' order."""
        return [self._score(number, course) for number, course in enumerate(courses)]

    def _score(self, number: int, course: Course) -> DomainScore:
        return domain_score(course, self._yardsticks[number], *self._trial.judging(course.domain))

    def _optimum(self) -> tuple[list[Course], list[float]]:
        """The cheapest courses, and what is proven of their costs, in the traces' order."""
        found: dict[int, tuple[Course, float]] = {}
        for (sla, prices), numbers in self._groups.items():
            best = every_slice_kept([self._traces[number] for number in numbers], sla, prices)
            found |= dict(zip(numbers, zip(best.courses, best.bounds, strict=True), strict=True))
        inorder = [found[number] for number in range(len(self._traces))]
        return [course for course, _ in inorder], [least_j for _, least_j in inorder]


def _change(judged: Mapping[str, Judged]) -> Change | None:
    return change_of(judged[POLICY], judged[AGAINST]) if AGAINST in judged else None


def _lagging(circumstances: Circumstances, lag_s: float) -> Circumstances:
    return replace(circumstances, lag=Lag.fixed(lag_s))


def draw(
    traces: Sequence[Trace], domains: Sequence[str], trial: Trial, progress: Callable[[int, int], None]
) -> dict[str, dict[str, Judged]]:
    """Courses of some domains, by domain and policy: the same as when they were tried."""
    # On a host that they share, a domain's course is the same only in the company that it had.
    together = trial.circumstances.host_vcpus is not None
    chosen = [trace for trace in traces if together or trace.domain in domains]
    judge = Judge(chosen, trial)
    steps, done = sum(len(trace.demand_vcpus) for trace in chosen) * len(trial.policies), 0

    def more(steps_done: int) -> None:
        nonlocal done
        done += steps_done
        progress(done, steps)

    found: dict[str, dict[str, Judged]] = {domain: {} for domain in domains}
    for name in trial.policies:
        for judged in judge.policy(name, more):
            if judged.course.domain in found:
                found[judged.course.domain][name] = judged
    return found
