"""The elasticity figures over courses whose supply and demand are plain to see."""

from __future__ import annotations

from math import nan

import pytest

from autoscaler.core.policy import Sla
from autoscaler.replay.elasticity import Elasticity, elasticity, needed_by
from tests.fakes.replayed import course_of, trace_of

SLA = Sla(below=1.0, slice_s=20.0)
"""Two steps a slice; demand below 2 needs 2 vCPUs."""


def figures(demand: list[float], supply: list[int], *, maximum: int = 8) -> Elasticity:
    course = course_of(trace_of(demand, maximum=maximum), supply)
    return elasticity(course, needed_by(course, SLA), SLA)


def test_supply_that_is_the_demand_is_perfect() -> None:
    found = figures([0.5, 0.5, 3.5, 3.5, 1.5, 1.5], [1, 1, 4, 4, 2, 2])
    assert found == Elasticity(theta_u=0, theta_o=0, tau_u=0, tau_o=0, instability=0)


def test_what_is_too_much_is_weighed_by_the_demand() -> None:
    found = figures([0.5, 0.5, 1.5, 1.5], [3, 3, 3, 2])
    assert found.theta_o == pytest.approx((2 + 2 + 0.5 + 0) / 4)
    assert found.tau_o == 0.75
    assert (found.theta_u, found.tau_u) == (0, 0)


def test_what_lacks_is_weighed_by_the_demand() -> None:
    found = figures([3.5, 3.5, 3.5, 3.5], [1, 2, 4, 4])
    assert found.theta_u == pytest.approx((3 / 4 + 2 / 4) / 4)
    assert found.tau_u == 0.5
    assert (found.theta_o, found.tau_o) == (0, 0)


def test_supply_that_moves_where_demand_does_not_is_unstable() -> None:
    assert figures([0.5] * 8, [1, 1, 2, 2, 1, 1, 1, 1]).instability == pytest.approx(2 / 3)
    assert figures([0.5, 0.5, 1.5, 1.5], [2, 2, 2, 2]).instability == 1


def test_time_of_which_nothing_is_known_does_not_count() -> None:
    found = figures([0.5, 0.5, nan, nan], [1, 1, 7, 7])
    assert found == Elasticity(theta_u=0, theta_o=0, tau_u=0, tau_o=0, instability=0)


def test_the_demand_may_exceed_what_the_domain_can_have() -> None:
    assert figures([9.5, 9.5], [4, 4], maximum=4).theta_u == pytest.approx(0.6)
