"""One change as a value: a stage is passed when it is seen, and only once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.operation import Direction, Operation, Outcome
from tests.fakes.examples import OPERATION

DOWN = replace(OPERATION, from_vcpus=3, to_vcpus=2)


def test_the_direction_follows_the_figures() -> None:
    assert OPERATION.direction is Direction.UP
    assert DOWN.direction is Direction.DOWN


def test_a_growth_passes_its_stages_one_by_one() -> None:
    operation = OPERATION.accepted(100.1)
    operation = operation.seen(present=1, online=1, now_s=100.2)
    assert operation.stages_s() == pytest.approx({"accepted": 0.1})
    operation = operation.seen(present=3, online=1, now_s=100.3)
    assert not operation.settled
    operation = operation.seen(present=3, online=3, now_s=100.4)
    assert operation.settled
    operation = operation.relieved(101.5)
    assert operation.outcome is Outcome.DONE
    assert operation.stages_s() == pytest.approx(
        {"accepted": 0.1, "present": 0.3, "online": 0.4, "relieved": 1.5}
    )


@pytest.mark.parametrize(
    ("operation", "online", "stages"),
    [
        pytest.param(OPERATION, 3, ["accepted", "present", "online"], id="all at once"),
        pytest.param(OPERATION, 4, ["accepted", "present", "online"], id="more than was asked"),
        pytest.param(OPERATION, 2, [], id="part of the way up"),
        pytest.param(DOWN, 2, ["accepted", "online"], id="a shrink has nothing to be present"),
        pytest.param(DOWN, 1, ["accepted", "online"], id="less than was asked"),
        pytest.param(DOWN, 3, [], id="nothing went"),
    ],
)
def test_what_is_online_implies_the_stages_before(
    operation: Operation, online: int, stages: list[str]
) -> None:
    assert list(operation.seen(present=None, online=online, now_s=101.0).stages_s()) == stages


def test_a_stage_keeps_the_time_at_which_it_was_first_seen() -> None:
    operation = OPERATION.accepted(100.1).accepted(100.9)
    operation = operation.seen(present=3, online=3, now_s=101.0).seen(present=3, online=3, now_s=105.0)
    assert operation.stages_s() == pytest.approx({"accepted": 0.1, "present": 1.0, "online": 1.0})


def test_an_end_carries_its_outcome_and_sentence() -> None:
    ended = OPERATION.ended(Outcome.DENIED, "no")
    assert ended.settled
    assert (ended.outcome, ended.detail) == (Outcome.DENIED, "no")
