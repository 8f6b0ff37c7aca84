"""The strategy `target`: ceil(demand / target), quiet within its tolerance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.policy import TargetStrategy
from autoscaler.core.reason import Reason
from autoscaler.core.recommend import by_target
from tests.fakes.examples import LOAD

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
    found = by_target(load, HALF)
    assert (found.vcpus, found.reason) == (vcpus, reason)


def test_a_quotient_that_is_whole_but_for_its_last_bit_is_not_rounded_up() -> None:
    load = replace(LOAD, online=1, busy_vcpus=0.5, demand_vcpus=0.7 * 3)
    assert 0.7 * 3 / 0.7 > 3 - 1e-12
    assert by_target(load, TargetStrategy(utilization_ratio=0.7)).vcpus == 3


def test_at_saturation_there_is_no_tolerance_for_too_few() -> None:
    strategy = TargetStrategy(utilization_ratio=0.9, tolerance_ratio=0.2)
    load = replace(LOAD, online=2, busy_vcpus=1.9, demand_vcpus=1.9)
    assert load.saturated
    assert by_target(load, strategy).vcpus == 3


def test_a_guest_that_becomes_saturated_never_gets_a_smaller_recommendation() -> None:
    strategy = TargetStrategy(utilization_ratio=0.95, tolerance_ratio=0.1)
    wanted = [
        by_target(replace(LOAD, online=20, busy_vcpus=busy, demand_vcpus=busy), strategy).vcpus
        for busy in (17.5, 17.9, 18.0, 18.5, 19.5)
    ]
    assert wanted == sorted(wanted)
