"""What is counted of a domain, and what is not."""

from __future__ import annotations

import pytest

from autoscaler.core.demand import Dropped
from autoscaler.core.model import GuestVcpus
from autoscaler.core.operation import Action, Direction, Plug, SetOnline, Unplug
from autoscaler.errors import (
    AgentAbsent,
    AgentBlocked,
    AgentError,
    AgentLeftAlone,
    AgentNonsense,
    AgentRefused,
    AgentUnresponsive,
    AutoscalerError,
    BackendUnavailable,
    DomainBusy,
    DomainGone,
    NoChannel,
    OutcomeUnknown,
)
from autoscaler.service.moving_counts import AGAIN_S, TOLD_S
from autoscaler.service.tally import UNKNOWN, TallyCounter
from tests.fakes.examples import SAMPLE

NOW_S = 1000.0


def left_alone(cause: AgentError) -> AgentLeftAlone:
    error = AgentLeftAlone("it failed too often")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "name"),
    [
        pytest.param(AgentAbsent("x"), "agent-absent", id="absent"),
        pytest.param(NoChannel("x"), "agent-absent", id="no channel"),
        pytest.param(AgentBlocked("x"), "agent-blocked", id="blocked"),
        pytest.param(AgentUnresponsive("x"), "agent-unresponsive", id="unresponsive"),
        pytest.param(AgentRefused("x"), "agent-refused", id="refused"),
        pytest.param(AgentNonsense("x"), "agent-nonsense", id="nonsense"),
        pytest.param(left_alone(AgentNonsense("x")), "agent-nonsense", id="nonsense once too often"),
    ],
)
def test_an_error_of_the_agent_is_counted_by_its_name(error: AgentError, name: str) -> None:
    tally = TallyCounter()
    for _ in range(2):
        tally.called(error, NOW_S)
    assert tally.frozen(NOW_S + AGAIN_S).agent_errors == {name: 2}


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(None, id="a plug that was accepted"),
        pytest.param(SAMPLE, id="a sample"),
        pytest.param(GuestVcpus(), id="what the guest shows"),
        pytest.param(AgentLeftAlone("x"), id="an agent that was not even asked"),
        pytest.param(DomainGone("x"), id="a domain that is gone"),
        pytest.param(DomainBusy("x"), id="a domain that is held"),
        pytest.param(BackendUnavailable("x"), id="a host that is away"),
        pytest.param(AutoscalerError("x"), id="a fault of ours"),
    ],
)
def test_what_is_not_the_agents_error_is_not_counted(result: object) -> None:
    tally = TallyCounter()
    tally.called(result, NOW_S)
    assert tally.frozen(NOW_S).agent_errors == {}


@pytest.mark.parametrize(
    ("action", "direction"),
    [(Plug(expect=1, target=2), Direction.UP), (Unplug(expect=2, target=1), Direction.UNPLUG)],
)
def test_a_lost_reply_to_a_change_is_counted_beside_the_outcomes(
    action: Action, direction: Direction
) -> None:
    tally = TallyCounter()
    tally.acted(action, OutcomeUnknown("the link broke"), NOW_S)
    tally.acted(action, DomainBusy("x"), NOW_S)
    tally.acted(SetOnline(target=2), AgentUnresponsive("x"), NOW_S)
    assert tally.frozen(NOW_S).failures == {(direction, UNKNOWN): 1}
    assert tally.frozen(NOW_S + AGAIN_S).agent_errors == {"agent-unresponsive": 1}


@pytest.mark.parametrize("dropped", Dropped)
def test_counters_that_cannot_be_true_within_a_boot_are_an_error_and_a_boot_is_none(dropped: Dropped) -> None:
    tally = TallyCounter()
    tally.sampled(None, dropped, NOW_S)
    wrong = {Dropped.BACKWARDS: "counters-backwards", Dropped.IMPOSSIBLE: "counters-impossible"}
    assert tally.frozen(NOW_S + AGAIN_S).agent_errors == ({wrong[dropped]: 1} if dropped in wrong else {})


def test_a_sample_that_is_not_believed_is_counted_as_nonsense() -> None:
    tally = TallyCounter()
    tally.sampled(None, None, NOW_S, disbelieved=True)
    assert tally.frozen(NOW_S + AGAIN_S).agent_errors == {"agent-nonsense": 1}


def test_an_error_is_told_while_it_comes_and_for_some_time_after() -> None:
    tally = TallyCounter()
    tally.called(AgentAbsent("x"), NOW_S)
    assert tally.frozen(NOW_S + TOLD_S - 1).agent_errors == {"agent-absent": 1}
    assert tally.frozen(NOW_S + TOLD_S).agent_errors == {}
