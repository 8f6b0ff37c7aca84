"""The strategies: what a load asks for, and what their memory would keep."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.policy import AdaptiveStrategy, Strategy, TargetStrategy
from autoscaler.core.reason import Reason
from autoscaler.core.recommend import Hold, by_target, recommender
from tests.fakes.examples import LOAD, POLICY

HALF = TargetStrategy(utilization_ratio=0.5, tolerance_ratio=0.1)


@pytest.mark.parametrize(
    ("online", "demand", "vcpus", "reason"),
    [
        pytest.param(2, 1.0, 2, Reason.STEADY, id="on target"),
        pytest.param(2, 0.6, 2, Reason.STEADY, id="low, and one fewer would not do"),
        pytest.param(2, 1.05, 2, Reason.TOLERANCE, id="little above"),
        pytest.param(4, 1.85, 4, Reason.STEADY, id="little below, the same vCPUs"),
        pytest.param(40, 18.1, 40, Reason.TOLERANCE, id="little below, many vCPUs"),
        pytest.param(2, 1.2, 3, Reason.DEMAND_HIGH, id="above"),
        pytest.param(4, 0.9, 2, Reason.DEMAND_LOW, id="below"),
        pytest.param(4, 0.0, 1, Reason.DEMAND_LOW, id="idle still needs one"),
        pytest.param(1, 0.0, 1, Reason.STEADY, id="idle with one"),
        pytest.param(1, 2.0, 4, Reason.DEMAND_HIGH, id="a whole quotient is not rounded up"),
    ],
)
def test_vcpus_follow_demand_over_target(online: int, demand: float, vcpus: int, reason: Reason) -> None:
    load = replace(LOAD, online=online, busy_vcpus=min(demand, online * 0.89), demand_vcpus=demand)
    assert by_target(load, HALF) == (vcpus, reason)


def test_a_quotient_that_is_whole_but_for_its_last_bit_is_not_rounded_up() -> None:
    load = replace(LOAD, online=1, busy_vcpus=0.5, demand_vcpus=0.7 * 3)
    assert 0.7 * 3 / 0.7 > 3 - 1e-12
    assert by_target(load, TargetStrategy(utilization_ratio=0.7))[0] == 3


def test_at_saturation_there_is_no_tolerance_for_too_few() -> None:
    strategy = TargetStrategy(utilization_ratio=0.9, tolerance_ratio=0.2)
    load = replace(LOAD, online=2, busy_vcpus=1.9, demand_vcpus=1.9)
    assert load.saturated
    assert by_target(load, strategy)[0] == 3


def test_a_guest_that_becomes_saturated_never_gets_a_smaller_recommendation() -> None:
    strategy = TargetStrategy(utilization_ratio=0.95, tolerance_ratio=0.1)
    wanted = [
        by_target(replace(LOAD, online=20, busy_vcpus=busy, demand_vcpus=busy), strategy)[0]
        for busy in (17.5, 17.9, 18.0, 18.5, 19.5)
    ]
    assert wanted == sorted(wanted)


def test_a_hold_keeps_the_highest_of_its_time() -> None:
    hold = Hold()
    seen = []
    for now_s, vcpus in ((0, 2), (1, 5), (2, 3), (5, 1), (11, 1), (11.5, 1), (12.5, 1), (15.5, 1)):
        hold.note(now_s, vcpus)
        seen.append(hold.highest(now_s, 10.0))
    assert seen == [2, 5, 5, 5, 5, 3, 1, 1]


def test_a_hold_of_no_time_follows_at_once() -> None:
    hold = Hold()
    seen = []
    for now_s, vcpus in ((0, 9), (1, 2), (2, 4)):
        hold.note(now_s, vcpus)
        seen.append(hold.highest(now_s, 0.0))
    assert seen == [9, 2, 4]


@pytest.mark.parametrize("strategy", [TargetStrategy(), AdaptiveStrategy()], ids=["target", "adaptive"])
def test_asking_a_strategy_twice_gives_the_same_answer(strategy: Strategy) -> None:
    asked = recommender(replace(POLICY, strategy=strategy), 100.0, lag_s=0.0)
    asked.first_saw(2, 100.0)
    asked.take(LOAD, 101.0)
    first = asked.recommend(LOAD, 8, 101.0)
    assert asked.recommend(LOAD, 8, 101.0) == first


@pytest.mark.parametrize("strategy", [TargetStrategy(), AdaptiveStrategy()], ids=["target", "adaptive"])
def test_what_a_domain_ran_when_first_seen_is_held(strategy: Strategy) -> None:
    asked = recommender(replace(POLICY, strategy=strategy), 100.0, lag_s=0.0)
    asked.first_saw(6, 100.0)
    load = replace(LOAD, online=6, busy_vcpus=0.1, demand_vcpus=0.1)
    asked.take(load, 110.0)
    found = asked.recommend(load, 8, 110.0)
    assert (found.vcpus, found.held_vcpus, found.reason) == (1, 6, Reason.DEMAND_LOW)
