"""Rules over the plant: what they see, how they move, and that company does not matter."""

from __future__ import annotations

from itertools import pairwise
from math import nan

import numpy as np

from autoscaler.core.policy import Sla
from autoscaler.replay.baseline_run import run_baselines
from autoscaler.replay.baselines.hindsight import PEAK
from autoscaler.replay.baselines.hpa import Hpa
from autoscaler.replay.baselines.load_average import LoadAverage
from autoscaler.replay.baselines.suite import RULES
from autoscaler.replay.baselines.threshold import Threshold
from autoscaler.replay.circumstances import Circumstances, Lag, Spread
from autoscaler.replay.trace import Trace
from tests.fakes.replayed import trace_of

SLA = Sla()
CALM = Circumstances(lag=Lag.fixed(10.0))


def bursts(domain: str, steps: int, seed: int) -> Trace:
    draw = np.random.default_rng(seed)
    return trace_of(list(draw.gamma(2.0, 1.0, steps)), domain=domain, maximum=12)


def test_a_move_is_true_after_the_lag() -> None:
    courses = run_baselines([Hpa()], [trace_of([0.5] * 6 + [3.0] * 30)], CALM, SLA)
    (course,) = courses["HPA v2 at 65 %"]
    first = course.moves[0]
    assert (first.at_s, first.from_vcpus) == (90.0, 1)


def test_a_shrink_takes_no_lag_and_a_warm_growth_has_its_own() -> None:
    rule = Threshold(every_s=60.0)
    trace = trace_of([0.9] * 6 + [0.1] * 6 + [0.9] * 6 + [1.9] * 12)
    lag = Lag(plugged=Spread((0.0,), (50.0,)), warm=Spread((0.0,), (5.0,)), offline=Spread((0.0,), (0.0,)))
    (course,) = run_baselines([rule], [trace], Circumstances(lag=lag), SLA)[rule.name]
    assert [move.at_s for move in course.moves] == [120.0, 185.0, 290.0]


def test_what_is_under_way_ends_before_the_next_begins() -> None:
    rule = LoadAverage()
    slow = Circumstances(lag=Lag.fixed(300.0))
    (course,) = run_baselines([rule], [trace_of([0.5] + [6.0] * 80, maximum=20)], slow, SLA)[rule.name]
    times = [move.at_s for move in course.moves]
    assert all(later - earlier >= 300.0 for earlier, later in pairwise(times))


def test_a_guest_that_does_not_answer_is_not_moved() -> None:
    demand = [nan] * 30 + [0.5] * 6 + [nan] * 30 + [0.5] * 6
    for course in (courses[0] for courses in run_baselines(RULES, [trace_of(demand)], CALM, SLA).values()):
        times = [move.at_s for move in course.moves]
        assert [at_s for at_s in times if at_s <= 300.0 or 360.0 < at_s <= 660.0] == []


def test_a_refusal_is_tried_again() -> None:
    stubborn = Circumstances(lag=Lag.fixed(10.0), refused_onlining_ratio=0.5, seed=3)
    (course,) = run_baselines([Hpa()], [bursts("web", 200, 1)], stubborn, SLA)["HPA v2 at 65 %"]
    assert course.adds > 0


def test_hindsight_begins_with_its_size() -> None:
    (course,) = run_baselines([PEAK], [trace_of([0.5] * 5 + [5.5])], CALM, SLA)[PEAK.name]
    assert course.online_vcpus.tolist() == [6.0] * 6
    assert course.moves == ()


def test_no_rule_leaves_the_bounds_of_a_domain() -> None:
    trace = bursts("web", 500, 2)
    for (course,) in run_baselines(RULES, [trace], CALM, SLA).values():
        assert course.online_vcpus.min() >= 1
        assert course.online_vcpus.max() <= trace.maximum


def test_a_domain_and_a_rule_fare_the_same_in_whatever_company() -> None:
    world = Circumstances(lag=Lag.fixed(10.0), missing_ratio=0.05, refused_onlining_ratio=0.1, seed=5)
    traces = [bursts("a", 200, 3), bursts("b", 200, 4), bursts("c", 150, 5)]
    together = run_baselines(RULES, traces, world, SLA)
    for rule in RULES:
        alone = [run_baselines([rule], [trace], world, SLA)[rule.name][0] for trace in traces]
        for course, same in zip(together[rule.name], alone, strict=True):
            assert (course.domain, course.moves) == (same.domain, same.moves)
            assert np.array_equal(course.online_vcpus, same.online_vcpus)
            assert np.array_equal(course.wanted_vcpus, same.wanted_vcpus)


def test_progress_counts_domain_steps() -> None:
    told: list[int] = []
    run_baselines(RULES, [bursts("a", 40, 3), bursts("b", 30, 4)], CALM, SLA, progress=told.append)
    assert sum(told) == 70


def test_names_are_distinct() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
