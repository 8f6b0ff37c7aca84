"""What a course is worth, and what the courses of many domains add up to."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np
import pytest

from autoscaler.core.policy import Prices, Sla
from autoscaler.replay.optimum import every_slice_kept
from autoscaler.replay.score import DomainScore, Yardstick, best, domain_score, over_domains, score, total
from autoscaler.replay.trace import Trace
from tests.fakes.replayed import course_of, trace_of

SLA = Sla(below=0.8, slice_s=60.0, objective_ratio=0.9)
PRICES = Prices()


def minutes(*vcpus: float) -> list[float]:
    return [wanted for wanted in vcpus for _ in range(6)]


def row(trace: Trace, *counts: int) -> DomainScore:
    """The score of these vCPUs, minute by minute, over the optimum."""
    (optimum,) = every_slice_kept([trace], SLA, PRICES).courses
    course = course_of(trace, [count for count in counts for _ in range(6)])
    return domain_score(course, Yardstick.of(optimum, SLA, PRICES), SLA, PRICES)


def test_the_optimum_over_itself_is_one() -> None:
    traces = [trace_of(minutes(0.5, 3.0, 0.5, nan), domain=name) for name in "ab"]
    optimum = every_slice_kept(traces, SLA, PRICES).courses
    found = score(optimum, optimum, SLA, PRICES)
    assert (found.j_over_optimum, found.j_pooled, found.j_spread.quartiles) == (1.0, 1.0, (1.0, 1.0, 1.0))
    assert found.domains_in_slo_ratio == 1.0


def test_a_course_is_counted_in_slices_moves_and_hours() -> None:
    found = row(trace_of(minutes(0.5, 1.5, 1.5, nan)), 1, 1, 3, 2)
    assert (found.good, found.bad, found.unknown) == (2, 1, 1)
    assert (found.adds, found.removals) == (2, 1)
    assert found.vcpu_hours == pytest.approx(7 / 60)
    assert found.j == pytest.approx(7 + 2 + 4)
    assert found.removals_per_day == pytest.approx(360.0)
    assert found.attained_ratio == pytest.approx(2 / 3)


def test_a_budget_that_is_spent_to_the_last_slice_is_kept() -> None:
    kept = row(trace_of(minutes(*[0.5] * 9, 0.9)), *[1] * 10)
    assert (kept.bad, kept.in_slo) == (1, True)
    assert kept.budget_spent_ratio == pytest.approx(1.0)
    broken = row(trace_of(minutes(*[0.5] * 8, 0.9, 0.9)), *[1] * 10)
    assert not broken.in_slo
    assert broken.budget_spent_ratio == pytest.approx(2.0)


def test_where_nothing_is_known_no_promise_is_broken() -> None:
    found = row(trace_of(minutes(nan, nan)), 1, 1)
    assert (found.attained_ratio, found.in_slo, found.budget_spent_ratio) == (None, True, 0.0)


def test_hours_stand_against_those_of_a_size_for_good() -> None:
    found = row(trace_of(minutes(*[2.0] * 10)), *[6] * 10)
    assert found.vcpu_hours_over_p995 == pytest.approx(2.0)


def test_domains_count_the_same_in_the_mean_and_by_their_cost_in_the_pool() -> None:
    small, large = row(trace_of(minutes(0.5), domain="a"), 3), row(trace_of(minutes(6.0), domain="b"), 8)
    found = total([small, large])
    assert found.j_over_optimum == pytest.approx(2.0)
    assert found.j_pooled == pytest.approx(11 / 9)
    assert found.vcpu_hours == pytest.approx(11 / 60)


def test_each_domain_may_have_a_promise_of_its_own() -> None:
    kept = row(trace_of(minutes(0.5, 0.5), domain="a"), 1, 1)
    broken = row(trace_of(minutes(0.9, 0.9), domain="b"), 1, 1)
    found = total([broken, kept])
    assert found.domains_in_slo_ratio == 0.5
    assert found.bad_ratio == 0.5
    assert [one.domain for one in found.domains] == ["a", "b"]


def test_the_spread_holds_the_mean_and_is_the_same_each_time() -> None:
    ratios = np.random.default_rng(1).gamma(2.0, 1.0, 50).tolist()
    found = over_domains(ratios)
    assert found.interval[0] < found.mean < found.interval[1]
    assert found == over_domains(ratios)
    assert over_domains([1.5]).interval == (1.5, 1.5)


def test_the_best_setting_is_the_cheapest_that_keeps_enough_domains() -> None:
    one = total([row(trace_of(minutes(0.5)), 1)])
    scores = {
        "cheap": replace(one, j_over_optimum=1.1, domains_in_slo_ratio=0.5),
        "sound": replace(one, j_over_optimum=1.3, domains_in_slo_ratio=0.99),
        "dear": replace(one, j_over_optimum=1.5, domains_in_slo_ratio=1.0),
    }
    assert best(scores, 0.99) == "sound"
    assert best(scores, 0.5) == "cheap"
    assert best({name: scores[name] for name in ("cheap",)}, 0.99) == "cheap"
