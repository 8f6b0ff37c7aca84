"""What is counted of a domain, and what is not."""

from __future__ import annotations

import pytest

from autoscaler.core.demand import Dropped
from autoscaler.core.model import GuestVcpus
from autoscaler.core.operation import Action, Direction, Plug, SetOnline, Unplug
from autoscaler.ports import (
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
from autoscaler.service.tally import UNKNOWN, TallyCounter
from tests.fakes.examples import SAMPLE


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
        tally.called(error)
    assert tally.frozen().agent_errors == {name: 2}


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
    tally.called(result)
    assert tally.frozen().agent_errors == {}


@pytest.mark.parametrize(
    ("action", "direction"),
    [(Plug(expect=1, target=2), Direction.UP), (Unplug(expect=2, target=1), Direction.UNPLUG)],
)
def test_a_lost_reply_to_a_change_is_counted_beside_the_outcomes(
    action: Action, direction: Direction
) -> None:
    tally = TallyCounter()
    tally.acted(action, OutcomeUnknown("the link broke"))
    tally.acted(action, DomainBusy("x"))
    tally.acted(SetOnline(target=2), AgentUnresponsive("x"))
    assert tally.frozen().failures == {(direction, UNKNOWN): 1}
    assert tally.frozen().agent_errors == {"agent-unresponsive": 1}


@pytest.mark.parametrize("dropped", Dropped)
def test_counters_that_cannot_be_true_within_a_boot_are_an_error_and_a_boot_is_none(dropped: Dropped) -> None:
    tally = TallyCounter()
    tally.sampled(None, dropped)
    wrong = {Dropped.BACKWARDS: "counters-backwards", Dropped.IMPOSSIBLE: "counters-impossible"}
    assert tally.frozen().agent_errors == ({wrong[dropped]: 1} if dropped in wrong else {})


def test_a_sample_that_is_not_believed_is_counted_as_nonsense() -> None:
    tally = TallyCounter()
    tally.sampled(None, None, disbelieved=True)
    assert tally.frozen().agent_errors == {"agent-nonsense": 1}
