"""What courses are worth: promises kept, and what that cost against the offline optimum.

Figures of a policy are over its domains: vCPU-hours are a sum, `bad_ratio` is all bad slices over all known
ones, and all others are means over the domains, each counting the same whatever its size. So is J over
optimum (`over_domains`); the ratio of the sums, which large domains rule, and the median stand beside it.

Invariants: the order of domains changes nothing; the optimum's J over itself is 1; who breaks a promise stays
in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from autoscaler.replay.baselines.hindsight import P995
from autoscaler.replay.elasticity import Elasticity, elasticity, needed_by
from autoscaler.replay.slices import BAD, GOOD, UNKNOWN, by_slice, indicated, judged, steps_of_slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from autoscaler.core.policy import Prices, Sla
    from autoscaler.replay.course import Course

_DAY_S = 86400.0
_RESAMPLES = 2000
_SEED = 0
"""Of the bootstrap: the same courses always give the same interval."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Yardstick:
    """What all courses of one domain are held against; it takes longer to find than to use."""

    domain: str
    j: float
    """Priced cost of the offline optimum."""
    p995_vcpus: int
    """What a guest has for good that is sized by P99.5 and a fifth more."""
    needed: npt.NDArray[np.float64]
    """Shape (slices,): the fewest vCPUs that keep each."""

    @classmethod
    def of(cls, optimum: Course, sla: Sla, prices: Prices) -> Self:
        """From the optimum's course."""
        return cls(
            domain=optimum.domain,
            j=cost(optimum, prices),
            p995_vcpus=P995.vcpus(optimum.demand_vcpus, optimum.maximum),
            needed=needed_by(optimum, sla),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainScore:
    """One domain's course."""

    domain: str
    j: float
    """Priced cost: vCPU-minutes, adds and removals, each at its price."""
    j_over_optimum: float
    """The same over that of the offline optimum."""
    vcpu_hours: float
    vcpu_hours_over_p995: float
    """Over those of a guest that always has P99.5 of its demand and a fifth more, as `P995` sizes it."""
    adds: int
    removals: int
    removals_per_day: float
    days: float
    """How long the course is."""
    good: int
    """Slices; so are `bad` and `unknown`."""
    bad: int
    unknown: int
    attained_ratio: float | None
    """Good share of the known slices; None: none is known."""
    budget_spent_ratio: float
    """Bad slices over those that the objective allows of the known ones; above 1 the promise is broken."""
    in_slo: bool
    """Whether it was kept over the whole course, be that shorter or longer than the window of the SLA."""
    elasticity: Elasticity


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A figure over domains."""

    mean: float
    quartiles: tuple[float, float, float]
    """The median is the second."""
    interval: tuple[float, float]
    """In which the mean lies at 95 %, were the domains drawn anew (percentile bootstrap)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a policy made of its domains."""

    domains: tuple[DomainScore, ...]
    j_over_optimum: float
    """Mean over the domains."""
    j_spread: Distribution
    """The same with its spread."""
    j_pooled: float
    """Cost of all domains over the optimum's cost of all."""
    vcpu_hours: float
    vcpu_hours_over_p995: float
    """Of all domains together."""
    domains_in_slo_ratio: float
    bad_ratio: float
    domain_days: float
    removals_per_domain_day: float
    theta_u: float
    theta_o: float
    tau_u: float
    tau_o: float
    instability: float


def cost(course: Course, prices: Prices) -> float:
    """Priced cost J = vCPU-minutes + adds + removals, each at its price."""
    minutes = float(np.sum(course.online_vcpus)) * course.step_s / 60
    return minutes * prices.vcpu_minute + course.adds * prices.add + course.removals * prices.remove


def slices_of(course: Course, sla: Sla) -> npt.NDArray[np.int8]:
    """What became of each slice, by what the guest wanted: 0 good, 1 bad, 2 unknown; shape (slices,)."""
    values = indicated(sla.indicator, course.wanted_vcpus, course.online_vcpus)
    return judged(by_slice(values, steps_of_slice(sla, course.step_s)), sla.below)


def score(courses: Sequence[Course], optimum: Sequence[Course], sla: Sla, prices: Prices) -> Score:
    """Score a policy's courses, one at least, against the optimum's of the same domains in the same order."""
    pairs = zip(courses, optimum, strict=True)
    return total(
        [domain_score(course, Yardstick.of(best, sla, prices), sla, prices) for course, best in pairs]
    )


def domain_score(course: Course, yardstick: Yardstick, sla: Sla, prices: Prices) -> DomainScore:
    """Score one domain's course against the optimum's."""
    assert course.domain == yardstick.domain
    good, bad, unknown = np.bincount(slices_of(course, sla), minlength=3)[[GOOD, BAD, UNKNOWN]].tolist()
    known, span_s = good + bad, course.step_s * len(course.online_vcpus)
    # 1 - 0.95 is not quite 0.05 in floating point, and a budget of 18 slices is spent by 18.
    allowed = round(1 - sla.objective_ratio, 9) * known
    vcpu_hours = float(np.sum(course.online_vcpus)) * course.step_s / 3600
    j = cost(course, prices)
    return DomainScore(
        domain=course.domain,
        j=j,
        j_over_optimum=j / yardstick.j,
        vcpu_hours=vcpu_hours,
        vcpu_hours_over_p995=vcpu_hours / (yardstick.p995_vcpus * span_s / 3600),
        adds=course.adds,
        removals=course.removals,
        removals_per_day=course.removals / (span_s / _DAY_S),
        days=span_s / _DAY_S,
        good=good,
        bad=bad,
        unknown=unknown,
        attained_ratio=good / known if known else None,
        budget_spent_ratio=bad / allowed if known else 0.0,
        in_slo=bad <= allowed,
        elasticity=elasticity(course, yardstick.needed, sla),
    )


def total(domains: Iterable[DomainScore]) -> Score:
    """Sum up domains, one at least; each may have a service level of its own."""
    rows = sorted(domains, key=lambda row: row.domain)
    known, days = sum(row.good + row.bad for row in rows), sum(row.days for row in rows)
    vcpu_hours = sum(row.vcpu_hours for row in rows)
    spread = over_domains([row.j_over_optimum for row in rows])
    return Score(
        domains=tuple(rows),
        j_over_optimum=spread.mean,
        j_spread=spread,
        j_pooled=sum(row.j for row in rows) / sum(row.j / row.j_over_optimum for row in rows),
        vcpu_hours=vcpu_hours,
        vcpu_hours_over_p995=vcpu_hours / sum(row.vcpu_hours / row.vcpu_hours_over_p995 for row in rows),
        domains_in_slo_ratio=sum(row.in_slo for row in rows) / len(rows),
        bad_ratio=sum(row.bad for row in rows) / max(known, 1),
        domain_days=days,
        removals_per_domain_day=sum(row.removals for row in rows) / days,
        theta_u=_mean(row.elasticity.theta_u for row in rows),
        theta_o=_mean(row.elasticity.theta_o for row in rows),
        tau_u=_mean(row.elasticity.tau_u for row in rows),
        tau_o=_mean(row.elasticity.tau_o for row in rows),
        instability=_mean(row.elasticity.instability for row in rows),
    )


def over_domains(ratios: Sequence[float]) -> Distribution:
    """How a ratio of each domain adds up to one of all: their mean, with its spread."""
    values = np.array(ratios)
    drawn = np.random.Generator(np.random.PCG64(_SEED)).integers(len(values), size=(_RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5]).tolist()
    first, median, third = np.percentile(values, [25, 50, 75]).tolist()
    return Distribution(mean=_mean(ratios), quartiles=(first, median, third), interval=(low, high))


def best(scores: Mapping[str, Score], objective_ratio: float) -> str:
    """The name of the cheapest with this share of its domains inside their SLO; if none is, of the best kept.

    For picking among settings of one rule: who picks so knows the outcome.
    """
    keeps = max(min(one.domains_in_slo_ratio, objective_ratio) for one in scores.values())
    fit = [name for name, one in scores.items() if one.domains_in_slo_ratio >= keeps]
    return min(fit, key=lambda name: (scores[name].j_over_optimum, name))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
