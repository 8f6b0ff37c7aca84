"""How long each kind of failure keeps a domain from another change, and what ends that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.backoff import FIRST_S, LONGEST_S
from autoscaler.core.condition import Condition
from autoscaler.core.deadlines import Deadlines
from autoscaler.core.model import DomainView
from autoscaler.core.operation import Direction, Operation, Outcome
from autoscaler.core.reason import Reason
from autoscaler.core.setback import CONFLICT_LONGEST_S, CONFLICT_S
from autoscaler.core.setbacks import Setbacks
from tests.fakes.examples import VIEW

GROWTH = Operation(
    decision_id=1, from_vcpus=1, to_vcpus=3, reason=Reason.DEMAND_HIGH, requested_s=100.0, accepted_s=100.1
)
SHRINK = replace(GROWTH, from_vcpus=3, to_vcpus=2)
AT_S = 130.0


def after(outcome: Outcome) -> Setbacks:
    setbacks = Setbacks(VIEW, Deadlines())
    setbacks.took(GROWTH, outcome, "no", AT_S)
    return setbacks


def waits_s(setbacks: Setbacks) -> float:
    """How long no growth may begin, to a tenth of a second."""
    tenths = range(round(10 * LONGEST_S * 1.3))
    return next(tenth / 10 for tenth in tenths if not setbacks.obstacle(Direction.UP, AT_S + tenth / 10))


@pytest.mark.parametrize(
    ("outcome", "about_s", "condition"),
    [
        (Outcome.DENIED, LONGEST_S, Condition.DENIED),
        (Outcome.FAILED, FIRST_S, Condition.FAILED),
        (Outcome.STUCK, FIRST_S, Condition.STUCK),
        (Outcome.CONFLICT, 0.0, None),
    ],
)
def test_each_kind_of_failure_has_its_own_back_off_and_condition(
    outcome: Outcome, about_s: float, condition: Condition | None
) -> None:
    setbacks = after(outcome)
    assert waits_s(setbacks) == pytest.approx(about_s, rel=0.25)
    assert set(setbacks.conditions) == (set() if condition is None else {condition})
    assert setbacks.obstacle(Direction.DOWN, AT_S) is None


@pytest.mark.parametrize(
    "view", [replace(VIEW, plugged=VIEW.plugged + 1), replace(VIEW, maximum=VIEW.maximum + 1)]
)
def test_only_a_denial_ends_when_what_it_was_about_is_another(view: DomainView) -> None:
    for outcome, ended in ((Outcome.DENIED, True), (Outcome.FAILED, False), (Outcome.STUCK, False)):
        setbacks = after(outcome)
        setbacks.look(view, None, AT_S)
        assert (setbacks.obstacle(Direction.UP, AT_S + 1.0) is None) is ended
        assert (setbacks.conditions == {}) is ended


def test_a_denial_that_ends_takes_only_itself_with_it() -> None:
    setbacks = Setbacks(VIEW, Deadlines())
    for _ in range(8):
        setbacks.took(SHRINK, Outcome.STUCK, "it does not follow", AT_S)
    setbacks.took(GROWTH, Outcome.DENIED, "no", AT_S)
    assert setbacks.obstacle(Direction.UP, AT_S + 1.0) is Reason.DENIED
    setbacks.look(replace(VIEW, plugged=VIEW.plugged + 1), None, AT_S)

    assert setbacks.obstacle(Direction.UP, AT_S + 1.0) is None
    assert setbacks.obstacle(Direction.DOWN, AT_S + 200.0) is Reason.BACK_OFF
    assert set(setbacks.conditions) == {Condition.STUCK}


def test_what_was_said_since_a_denial_stands_when_that_ends() -> None:
    setbacks = after(Outcome.DENIED)
    setbacks.blame(Direction.UP, Condition.STUCK, "the next request has not come back")
    setbacks.look(replace(VIEW, plugged=VIEW.plugged + 1), None, AT_S)
    assert set(setbacks.conditions) == {Condition.STUCK}


def test_failures_before_a_denial_are_not_forgotten_with_it() -> None:
    setbacks = Setbacks(VIEW, Deadlines())
    for _ in range(8):
        setbacks.took(GROWTH, Outcome.STUCK, "it does not follow", AT_S)
    setbacks.took(GROWTH, Outcome.DENIED, "no", AT_S)
    setbacks.look(replace(VIEW, plugged=VIEW.plugged + 1), None, AT_S)

    assert setbacks.obstacle(Direction.UP, AT_S + 200.0) is Reason.BACK_OFF


@pytest.mark.parametrize("newer", [Outcome.FAILED, Outcome.STUCK, Outcome.CONFLICT])
def test_a_newer_outcome_takes_the_place_of_a_denial(newer: Outcome) -> None:
    setbacks = after(Outcome.DENIED)
    setbacks.took(GROWTH, newer, "otherwise", AT_S)
    assert setbacks.obstacle(Direction.UP, AT_S + 10.0) is None
    setbacks.took(GROWTH, Outcome.FAILED, "again", AT_S)
    setbacks.look(replace(VIEW, plugged=VIEW.plugged + 1), None, AT_S)
    assert setbacks.obstacle(Direction.UP, AT_S + 1.0) is Reason.BACK_OFF


def test_conflicts_in_a_row_are_left_alone_ever_longer_though_never_long() -> None:
    setbacks, waits = Setbacks(VIEW, Deadlines()), []
    for _ in range(9):
        setbacks.took(GROWTH, Outcome.CONFLICT, "another count", AT_S)
        waits.append(waits_s(setbacks))
    assert waits[0] == 0.0
    assert waits[1] == pytest.approx(CONFLICT_S, rel=0.3)
    assert waits[3] == pytest.approx(4 * CONFLICT_S, rel=0.25)
    assert waits[-1] == pytest.approx(CONFLICT_LONGEST_S, rel=0.25)
    setbacks.forgive(Direction.UP, AT_S)
    setbacks.took(GROWTH, Outcome.CONFLICT, "another count", AT_S)
    assert waits_s(setbacks) == 0.0


def test_a_denial_of_a_run_before_stands_until_its_time_or_its_cause_is_over() -> None:
    denied = replace(GROWTH, outcome=Outcome.DENIED, accepted_s=None)
    setbacks = Setbacks(VIEW, Deadlines())
    setbacks.inherit(denied, AT_S)
    assert setbacks.obstacle(Direction.UP, AT_S + LONGEST_S - 1.0) is Reason.DENIED
    assert setbacks.obstacle(Direction.UP, AT_S + LONGEST_S) is None
    setbacks.look(replace(VIEW, maximum=VIEW.maximum + 1), None, AT_S)
    assert setbacks.obstacle(Direction.UP, AT_S + 101.0) is None


def test_a_denial_of_a_run_before_is_over_with_the_next_change_that_was_begun() -> None:
    setbacks = Setbacks(VIEW, Deadlines())
    setbacks.inherit(replace(GROWTH, outcome=Outcome.DENIED, accepted_s=None), AT_S)
    setbacks.inherit(replace(GROWTH, outcome=Outcome.ABANDONED), AT_S + 1.0)
    assert setbacks.obstacle(Direction.UP, AT_S + 5.0) is None


def test_a_failure_that_comes_true_late_is_expected_and_forgiven() -> None:
    setbacks = after(Outcome.STUCK)
    assert setbacks.may_bring(1, 2)
    assert not setbacks.may_bring(1, 4)
    setbacks.look(VIEW, 3, AT_S)
    assert setbacks.obstacle(Direction.UP, AT_S + 1.0) is None
    assert setbacks.conditions == {}
    assert not setbacks.may_bring(1, 2)
