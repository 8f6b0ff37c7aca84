"""How long each kind of failure keeps a domain from another change, and what ends that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.backoff import FIRST_S, LONGEST_S
from autoscaler.core.condition import Condition
from autoscaler.core.model import DomainView
from autoscaler.core.operation import Direction, Operation, Outcome
from autoscaler.core.reason import Reason
from autoscaler.core.setbacks import LATE_S, Setbacks
from tests.fakes.examples import VIEW

GROWTH = Operation(
    decision_id=1, from_vcpus=1, to_vcpus=3, reason=Reason.DEMAND_HIGH, requested_s=100.0, accepted_s=100.1
)
AT_S = 130.0


def after(outcome: Outcome) -> Setbacks:
    setbacks = Setbacks(VIEW)
    setbacks.took(GROWTH, outcome, "no", AT_S)
    return setbacks


def waits_s(setbacks: Setbacks) -> float:
    """How long no growth may begin, to a tenth of a second."""
    tenths = range(round(10 * LONGEST_S * 1.3))
    return next(tenth / 10 for tenth in tenths if not setbacks.wait(Direction.UP, AT_S + tenth / 10))


@pytest.mark.parametrize(
    ("outcome", "about_s", "condition"),
    [
        (Outcome.DENIED, LONGEST_S, Condition.FAILED),
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
    assert not setbacks.wait(Direction.DOWN, AT_S)


@pytest.mark.parametrize(
    "view", [replace(VIEW, plugged=VIEW.plugged + 1), replace(VIEW, maximum=VIEW.maximum + 1)]
)
def test_only_a_denial_ends_when_what_it_was_about_is_another(view: DomainView) -> None:
    for outcome, ended in ((Outcome.DENIED, True), (Outcome.FAILED, False), (Outcome.STUCK, False)):
        setbacks = after(outcome)
        setbacks.look(view, None, AT_S + 1.0)
        assert setbacks.wait(Direction.UP, AT_S + 1.0) is not ended


def test_a_failure_that_comes_true_late_is_expected_and_forgiven() -> None:
    setbacks = after(Outcome.STUCK)
    assert setbacks.may_bring(1, 2)
    assert not setbacks.may_bring(1, 4)
    setbacks.look(VIEW, 3, AT_S + 1.0)
    assert not setbacks.wait(Direction.UP, AT_S + 1.0)
    assert setbacks.conditions == {}
    assert not setbacks.may_bring(1, 2)


def test_what_a_run_before_left_open_may_come_true_for_a_minute() -> None:
    setbacks = Setbacks(VIEW)
    setbacks.inherit(replace(GROWTH, outcome=Outcome.ABANDONED), GROWTH.requested_s, AT_S)
    assert setbacks.may_bring(1, 3)
    setbacks.look(VIEW, 1, GROWTH.requested_s + LATE_S)
    assert not setbacks.may_bring(1, 3)


def test_of_several_runs_that_were_killed_each_may_have_left_something() -> None:
    setbacks = Setbacks(VIEW)
    shrink = replace(GROWTH, from_vcpus=3, to_vcpus=1, requested_s=GROWTH.requested_s + 0.2)
    for left in (GROWTH, shrink):
        setbacks.inherit(replace(left, outcome=Outcome.ABANDONED), left.requested_s, AT_S)
    assert setbacks.may_bring(1, 3)
    assert setbacks.may_bring(3, 1)
    setbacks.look(VIEW, 3, AT_S)
    assert not setbacks.may_bring(1, 3)
    assert setbacks.may_bring(3, 1)
