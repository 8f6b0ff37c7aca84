"""How long each slot is left alone, and that one slot's setback says nothing of another's."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.deadlines import Deadlines
from autoscaler.core.operation import Outcome
from autoscaler.core.reason import Reason
from autoscaler.core.slot_setbacks import SlotSetbacks
from tests.fakes.examples import OPERATION, VIEW

AT_S = 130.0
REMOVAL = replace(OPERATION, unplugs=True)
ANOTHER = replace(VIEW, plugged=VIEW.plugged + 1)


def test_a_denial_of_one_slot_that_ends_leaves_the_refusals_of_another() -> None:
    setbacks = SlotSetbacks(VIEW, Deadlines())
    for _ in range(7):
        setbacks.took(3, REMOVAL, Outcome.REFUSED, "busy", AT_S)
    setbacks.took(1, REMOVAL, Outcome.DENIED, "no", AT_S)
    setbacks.look(ANOTHER)

    assert setbacks.obstacle(1, AT_S) is None
    assert setbacks.obstacle(3, AT_S + 2000.0) is Reason.BACK_OFF


def test_refusals_of_a_slot_before_its_denial_are_not_forgotten_with_that() -> None:
    setbacks = SlotSetbacks(VIEW, Deadlines())
    for _ in range(7):
        setbacks.took(3, REMOVAL, Outcome.REFUSED, "busy", AT_S)
    setbacks.took(3, REMOVAL, Outcome.DENIED, "no", AT_S)
    assert setbacks.obstacle(3, AT_S) is Reason.DENIED
    setbacks.look(ANOTHER)

    assert setbacks.obstacle(3, AT_S) is Reason.BACK_OFF


def test_a_denial_that_a_refusal_replaced_does_not_end_it() -> None:
    setbacks = SlotSetbacks(VIEW, Deadlines())
    setbacks.took(1, REMOVAL, Outcome.DENIED, "no", AT_S)
    setbacks.took(1, REMOVAL, Outcome.REFUSED, "busy", AT_S)
    setbacks.look(ANOTHER)

    assert setbacks.obstacle(1, AT_S) is Reason.BACK_OFF
    assert set(setbacks.conditions) == {Condition.NOT_GIVEN_BACK}


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        (Outcome.DENIED, {Condition.DENIED}),
        (Outcome.REFUSED, {Condition.NOT_GIVEN_BACK}),
        (Outcome.FAILED, {Condition.NOT_GIVEN_BACK}),
        (Outcome.CONFLICT, set()),
    ],
)
def test_a_denial_is_told_from_a_vcpu_that_is_kept(outcome: Outcome, found: set[Condition]) -> None:
    setbacks = SlotSetbacks(VIEW, Deadlines())
    setbacks.took(1, REMOVAL, outcome, "so it is", AT_S)
    assert set(setbacks.conditions) == found


def test_a_first_refusal_is_told_with_a_time_that_is_not_nothing() -> None:
    said = SlotSetbacks(VIEW, Deadlines()).took(1, REMOVAL, Outcome.REFUSED, "busy", AT_S)
    assert re.search(r"asked again in [1-9]\d s:", said)
