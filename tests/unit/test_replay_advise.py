"""What is proposed for a domain, and when it is to be left as it is.

The controller is stood in for by rules of one line, so that each test says which candidate has to win.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from autoscaler.core.policy import AdaptiveStrategy, Match, Policy
from autoscaler.replay.advise import MOVE_AVERSE, advise
from autoscaler.replay.course import Course
from autoscaler.replay.proposal import Advice
from autoscaler.replay.trace import Trace
from tests.fakes.courses import MONDAY_S, Floats
from tests.fakes.courses import course as course_of

HOUR = 60
STEP_S = 60.0
DAY = 24 * HOUR
BASE = Policy(name="base", match=Match(name=("*",)))
DAYS = np.tile(np.repeat((0.5, 3.0, 0.5), (12 * HOUR, 6 * HOUR, 6 * HOUR)), 6)
"""Six days, each with six hours that want four vCPUs."""


def course(wanted: Floats, online: Floats) -> Course:
    return course_of(wanted, online, step_s=STEP_S)


def trace(demand: Floats) -> Trace:
    return Trace(
        domain="web-1", start_s=MONDAY_S, step_s=STEP_S, demand_vcpus=demand, maximum=8, recorded_s=STEP_S
    )


def following(demand: Floats) -> Callable[[Policy], Course]:
    """A controller that always has just what is needed, within the policy's bounds."""

    def rehearse(policy: Policy) -> Course:
        online = np.clip(np.ceil(demand / 0.79), policy.min_vcpus, policy.max_vcpus or 8)
        return course(demand, online)

    return rehearse


def advice(
    demand: Floats, rehearse: Callable[[Policy], Course] | None = None, *, governed: bool = False
) -> Advice:
    dialogue, rehearse = advise(trace(demand), BASE, governed=governed), rehearse or following(demand)
    try:
        wanted = next(dialogue)
        while True:
            wanted = dialogue.send(rehearse(wanted))
    except StopIteration as end:
        found: Advice = end.value
        return found


def test_a_domain_with_idle_hours_is_given_a_policy_instead_of_its_peak() -> None:
    found = advice(DAYS)
    assert found.proposal is not None
    assert found.as_it_is is not None
    assert found.as_it_is.name == "4 vCPUs throughout"
    assert (found.proposal.min_vcpus, found.proposal.max_vcpus) == (1, 5)
    assert "verified on the last 2.0: 100.00 % attained" in found.why


def test_an_objective_that_costs_nothing_more_is_proposed() -> None:
    found = advice(DAYS)
    assert found.proposal is not None
    assert found.proposal.objective_ratio == 0.999


def test_an_objective_that_costs_more_is_not() -> None:
    def rehearse(policy: Policy) -> Course:
        dearer = policy.sla.objective_ratio > 0.99
        return course(DAYS, np.ceil(DAYS / 0.79) + dearer)

    found = advice(DAYS, rehearse)
    assert found.proposal is not None
    assert found.proposal.objective_ratio == 0.99


def test_of_objectives_that_cost_the_same_the_strictest_that_is_confirmed_is_proposed() -> None:
    def rehearse(policy: Policy) -> Course:
        online = np.ceil(DAYS / 0.79)
        busy_minutes = np.flatnonzero(DAYS == 3.0)
        online[busy_minutes[-14:]] = 3.0  # of the 2,880 minutes that verify
        return course(DAYS, np.clip(online, policy.min_vcpus, policy.max_vcpus or 8))

    found = advice(DAYS, rehearse)
    assert found.proposal is not None
    assert found.proposal.objective_ratio == 0.995


def test_dear_moves_are_proposed_where_they_save_more_moves_than_they_cost_vcpus() -> None:
    restless = np.tile(np.repeat((1.5, 0.5), 3), 3 * 24 * 10)

    def rehearse(policy: Policy) -> Course:
        assert isinstance(policy.strategy, AdaptiveStrategy)
        calm = policy.strategy.prices == MOVE_AVERSE
        return course(restless, np.full(len(restless), 2.0) if calm else np.ceil(restless / 0.79) + 0.0)

    found = advice(restless, rehearse)
    assert {tried.name: tried.choosing.adds for tried in found.tried}["moves dear"] == 0
    assert found.tried[-1].proposal is not None
    assert found.tried[-1].proposal.prices == MOVE_AVERSE


def test_a_minimum_above_one_is_tried_where_quiet_hours_want_it() -> None:
    found = advice(DAYS + 1.0)
    assert [tried.name for tried in found.tried[:2]] == ["min 1", "min 2"]


def test_flat_demand_is_to_be_left() -> None:
    found = advice(np.full(4 * DAY, 1.2))
    assert found.proposal is None
    assert "saves 0.0 % against 2 vCPUs throughout, less than 5 %; the demand is flat" in found.why


def test_a_policy_that_does_as_well_is_to_be_left() -> None:
    found = advice(DAYS, governed=True)
    assert found.proposal is None
    assert "against as it is, less than 5 %" in found.why


def test_demand_that_does_not_repeat_itself_is_to_be_left() -> None:
    grown = np.concatenate([DAYS[: 4 * DAY], DAYS[: 2 * DAY] * 2])
    found = advice(grown)
    assert found.proposal is None
    assert "the demand does not repeat itself" in found.why


def test_where_no_candidate_keeps_its_promise_nothing_is_proposed() -> None:
    found = advice(DAYS, lambda _: course(DAYS, np.full(len(DAYS), 1.0)))
    assert found.proposal is None
    assert "no candidate would have kept its promise" in found.why


@pytest.mark.parametrize(
    "demand",
    [
        pytest.param(np.full(DAY, 1.0), id="one day"),
        pytest.param(np.full(4 * DAY, np.nan), id="nothing known"),
    ],
)
def test_little_history_is_too_little(demand: Floats) -> None:
    found = advice(demand)
    assert (found.proposal, found.tried) == (None, ())
    assert "leave it" in found.why


def test_the_last_third_takes_no_part_in_choosing() -> None:
    other = DAYS.copy()
    other[4 * DAY :] = 0.5
    chosen = [[tried.choosing for tried in advice(demand).tried] for demand in (DAYS, other)]
    assert chosen[0] == chosen[1]
