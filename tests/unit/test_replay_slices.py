"""What becomes of a slice, and the fewest vCPUs that keep it."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest

from autoscaler.core.policy import Indicator, Sla
from autoscaler.replay.score import slices_of
from autoscaler.replay.slices import BAD, GOOD, UNKNOWN, by_slice, needed_vcpus, steps_of_slice
from tests.fakes.replayed import STEP_S, course_of, trace_of

SLA = Sla(below=0.8, slice_s=20.0)
"""Two steps a slice."""


@pytest.mark.parametrize(
    ("demand", "online", "outcome"),
    [
        pytest.param([1.5, 1.5], 2, GOOD, id="below the limit"),
        pytest.param([1.6, 1.6], 2, BAD, id="at the limit"),
        pytest.param([2.0, 1.0], 2, GOOD, id="only the mean counts"),
        pytest.param([0.0, 9.0], 1, BAD, id="a burst"),
        pytest.param([nan, 1.5], 2, GOOD, id="half is known"),
        pytest.param([nan, nan], 2, UNKNOWN, id="nothing is known"),
        pytest.param([1.9, 0.0, 1.0, 0.0], 1, BAD, id="work that waits counts where it waits"),
    ],
)
def test_a_slice_is_judged_by_the_mean_of_what_was_wanted(
    demand: list[float], online: int, outcome: int
) -> None:
    course = course_of(trace_of(demand), [online] * len(demand))
    assert slices_of(course, SLA)[0] == outcome


def test_demand_beyond_twice_the_vcpus_makes_a_slice_no_worse() -> None:
    sla = Sla(below=1.1, slice_s=20.0)
    course = course_of(trace_of([0.1, 99.0]), [1, 1])
    assert slices_of(course, sla).tolist() == [GOOD]


def test_a_slice_cut_short_is_judged_when_half_of_it_is_there() -> None:
    assert slices_of(course_of(trace_of([0.0, 0.0, 2.0]), [1, 1, 1]), SLA).tolist() == [GOOD, BAD]
    sla = Sla(slice_s=60.0)
    assert slices_of(course_of(trace_of([0.0] * 8), [1] * 8), sla).tolist() == [GOOD, UNKNOWN]


@pytest.mark.parametrize(
    ("indicator", "below", "demand", "needed"),
    [
        pytest.param(Indicator.UTILIZATION, 0.8, [4.0, 4.0], 6, id="utilisation at the limit of 5"),
        pytest.param(Indicator.UTILIZATION, 0.8, [3.9, 3.9], 5, id="utilisation below it"),
        pytest.param(Indicator.RUN_QUEUE, 1.0, [2.4, 2.4], 3, id="two tasks a vCPU too few"),
        pytest.param(Indicator.PRESSURE, 0.6, [2.5, 1.0], 2, id="one step of two may wait"),
        pytest.param(Indicator.PRESSURE, 0.1, [3.0, 1.0], 3, id="nobody may wait"),
        pytest.param(Indicator.UTILIZATION, 0.8, [nan, nan], 1, id="unknown"),
        pytest.param(Indicator.UTILIZATION, 0.8, [9.0, 9.0], 9, id="more than the maximum of 8 could serve"),
    ],
)
def test_the_fewest_vcpus_that_keep_a_slice(
    indicator: Indicator, below: float, demand: list[float], needed: int
) -> None:
    sla = Sla(indicator=indicator, below=below, slice_s=20.0)
    assert needed_vcpus(np.array(demand), STEP_S, sla, 8).tolist() == [needed]


def test_a_slice_shorter_than_a_step_is_a_step() -> None:
    assert steps_of_slice(Sla(slice_s=60.0), 300.0) == 1


def test_what_lacks_of_the_last_slice_is_not_known() -> None:
    assert np.isnan(by_slice(np.array([1.0, 2.0, 3.0]), 2)).tolist() == [[False, False], [False, True]]
