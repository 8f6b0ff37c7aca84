"""An agent that fails again and again is left alone for a growing while, and tried again once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from autoscaler.backends.agent.breaker import LONGEST_REST_S, TRIP_AFTER, Breaker
from autoscaler.backends.agent.guest_agent import GuestAgent
from autoscaler.core.model import DomainEvent, DomainEventKind
from autoscaler.errors import (
    AgentAbsent,
    AgentBlocked,
    AgentLeftAlone,
    AgentNonsense,
    AgentRefused,
    AgentUnresponsive,
    AutoscalerError,
    BackendUnavailable,
    DomainBusy,
)
from tests.fakes.guest_channel import VIEW, WEB, GuestChannel, SteppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autoscaler.core.model import DomainId

SILENT = AgentUnresponsive("no answer in 2 s")
CONNECTED = DomainEvent(DomainEventKind.AGENT_CONNECTED, WEB)


def fail(agent: GuestAgent, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises((AgentUnresponsive, AgentNonsense, AgentLeftAlone)):
            agent.sample(VIEW)


def asks(agent: GuestAgent, channel: GuestChannel) -> bool:
    """Whether a sample taken now asks the agent at all."""
    channel.take_asked()
    fail(agent)
    return channel.take_asked() != []


@pytest.fixture
def tripped(agent: GuestAgent, channel: GuestChannel) -> GuestAgent:
    """An agent that has just failed too often."""
    channel.unreachable = SILENT
    fail(agent, TRIP_AFTER)
    return agent


@pytest.mark.parametrize("error", [SILENT, AgentNonsense("half a reply")], ids=["silence", "nonsense"])
def test_an_agent_that_failed_three_times_in_a_row_is_not_asked(
    agent: GuestAgent, channel: GuestChannel, error: AutoscalerError
) -> None:
    channel.unreachable = error
    assert [asks(agent, channel) for _ in range(5)] == [True] * TRIP_AFTER + [False] * 2


def test_the_failure_that_trips_it_says_what_it_was_and_those_after_it_that_nothing_was_asked(
    agent: GuestAgent, channel: GuestChannel
) -> None:
    channel.unreachable = SILENT
    fail(agent, TRIP_AFTER - 1)
    with pytest.raises(AgentLeftAlone, match=r"no answer in 2 s; .* left alone for up to 60 s") as tripping:
        agent.sample(VIEW)
    assert tripping.value.__cause__ is SILENT
    with pytest.raises(AgentLeftAlone, match="no answer in 2 s") as resting:
        agent.sample(VIEW)
    assert resting.value.__cause__ is None


def test_an_answer_in_between_begins_the_count_anew(agent: GuestAgent, channel: GuestChannel) -> None:
    for _ in range(3):
        channel.unreachable = SILENT
        fail(agent, TRIP_AFTER - 1)
        channel.unreachable = None
        agent.sample(VIEW)
    channel.unreachable = SILENT
    assert asks(agent, channel)


@pytest.mark.parametrize(
    "answer", [AgentRefused("no"), AgentBlocked("never"), AgentAbsent("gone")], ids=lambda e: type(e).__name__
)
def test_a_refusal_is_an_answer_and_an_agent_that_is_known_to_be_gone_costs_nothing(
    agent: GuestAgent, channel: GuestChannel, answer: AutoscalerError
) -> None:
    channel.unreachable = SILENT
    fail(agent, TRIP_AFTER - 1)
    channel.unreachable = answer
    with pytest.raises(type(answer)):
        agent.vcpus(WEB)
    channel.unreachable = SILENT
    fail(agent, TRIP_AFTER - 1)
    assert asks(agent, channel)


@pytest.mark.parametrize("error", [BackendUnavailable("x"), DomainBusy("x")], ids=lambda e: type(e).__name__)
def test_what_the_host_does_is_not_held_against_the_agent(
    agent: GuestAgent, channel: GuestChannel, error: AutoscalerError
) -> None:
    channel.unreachable = error
    for _ in range(5 * TRIP_AFTER):
        with pytest.raises(type(error)):
            agent.sample(VIEW)


def test_each_failed_try_is_followed_by_a_longer_rest_up_to_a_minute(
    tripped: GuestAgent, channel: GuestChannel, clock: SteppedClock
) -> None:
    tries_s: list[float] = []
    for _ in range(600):
        clock.now_s += 1.0
        if asks(tripped, channel):
            tries_s.append(clock.now_s)
    rests_s = [after - before for before, after in zip([100.0, *tries_s], tries_s, strict=False)]
    for rest_s, wanted_s in zip(rests_s, [5, 10, 20, 40, *[LONGEST_REST_S] * 4], strict=False):
        assert 0.8 * wanted_s <= rest_s <= 1.2 * wanted_s + 1
    assert len(tries_s) >= 10


def test_two_domains_that_fail_together_are_not_tried_together() -> None:
    first, second = Breaker("one"), Breaker("another")
    for breaker in (first, second, second):
        for _ in range(TRIP_AFTER):
            breaker.failed(0.0, meetings=0)
    moments = {breaker._rest.until_s for breaker in (first, second)}
    assert len(moments) == 2


def test_an_agent_that_answers_its_try_is_used_as_ever(
    tripped: GuestAgent, channel: GuestChannel, clock: SteppedClock
) -> None:
    channel.unreachable = None
    with pytest.raises(AgentLeftAlone):
        tripped.sample(VIEW)
    clock.now_s += 2 * LONGEST_REST_S
    tripped.sample(VIEW)
    tripped.sample(VIEW)
    assert tripped.set_online(WEB, target=1).online == 1


@pytest.mark.parametrize(
    "kind", [DomainEventKind.AGENT_CONNECTED, DomainEventKind.REBOOTED, DomainEventKind.STARTED]
)
def test_an_agent_that_comes_back_is_used_at_once(
    tripped: GuestAgent, channel: GuestChannel, kind: DomainEventKind
) -> None:
    channel.unreachable = None
    tripped.heard(DomainEvent(kind, WEB))
    tripped.sample(VIEW)
    tripped.sample(VIEW)


def test_a_change_that_says_nothing_of_the_agent_does_not_end_the_rest(
    tripped: GuestAgent, channel: GuestChannel
) -> None:
    tripped.heard(DomainEvent(DomainEventKind.CHANGED, WEB))
    assert not asks(tripped, channel)


def test_an_agent_that_only_pretends_to_come_back_gets_one_try_each_time(
    tripped: GuestAgent, channel: GuestChannel
) -> None:
    for _ in range(5):
        tripped.heard(CONNECTED)
        tripped.heard(CONNECTED)
        assert [asks(tripped, channel) for _ in range(3)] == [True, False, False]


class HungChannel(GuestChannel):
    """Its calls end when they are let go, with no answer."""

    def __init__(self, channel: GuestChannel) -> None:
        super().__init__(channel.guest)
        self.begun, self.let_go = threading.Semaphore(0), threading.Event()

    def ask(
        self,
        domain: DomainId,
        command: str,
        arguments: Mapping[str, object] | None = None,
        *,
        timeout_s: float,
    ) -> object:
        self.begun.release()
        assert self.let_go.wait(10)
        return super().ask(domain, command, arguments, timeout_s=timeout_s)


@contextmanager
def a_try_out(agent: GuestAgent, hung: HungChannel, clock: SteppedClock) -> Iterator[None]:
    """Within, an agent that is left alone is tried once more, and has not answered; it fails at the end."""
    hung.unreachable = SILENT
    hung.let_go.set()
    fail(agent, TRIP_AFTER)
    clock.now_s += 2 * LONGEST_REST_S
    hung.begun, hung.let_go = threading.Semaphore(0), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        trying = pool.submit(fail, agent)
        assert hung.begun.acquire(timeout=5)
        yield
        hung.let_go.set()
        trying.result(timeout=5)


def test_a_failure_of_the_old_agent_is_not_held_against_the_one_that_came_meanwhile(
    channel: GuestChannel, clock: SteppedClock
) -> None:
    hung = HungChannel(channel)
    agent = GuestAgent(hung, clock, timeout_s=5)
    with a_try_out(agent, hung, clock):
        agent.heard(CONNECTED)
    hung.unreachable = None
    agent.sample(VIEW)


def test_while_a_failing_agent_is_tried_nobody_else_waits_for_it(
    channel: GuestChannel, clock: SteppedClock
) -> None:
    hung = HungChannel(channel)
    agent = GuestAgent(hung, clock, timeout_s=30)
    with a_try_out(agent, hung, clock), pytest.raises(DomainBusy, match="still out"):
        agent.set_online(WEB, target=2)


def test_a_guest_that_was_forgotten_is_met_without_prejudice(
    tripped: GuestAgent, channel: GuestChannel
) -> None:
    tripped.forget(WEB)
    channel.unreachable = None
    tripped.sample(VIEW)
