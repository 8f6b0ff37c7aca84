"""A thousand time-outs of agents: each is one request, then a rest, and leaves nothing behind."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.backends.agent.breaker import TRIP_AFTER
from autoscaler.backends.agent.channel import SocketAgentChannel
from autoscaler.backends.agent.guest_agent import GuestAgent
from autoscaler.core.model import CpuSource, DomainEvent, DomainEventKind, DomainId, DomainView
from autoscaler.errors import AgentLeftAlone, AgentNonsense, AgentUnresponsive
from autoscaler.service.clock import SystemClock
from tests.fakes.examples import VIEW
from tests.fakes.scripted_agent import ANY, Fault, ScriptedAgent

TIMEOUTS = 1000
TIMEOUT_S = 0.01
TRIES = 2 * TIMEOUTS
"""Most for all of them: on a busy machine a request may come too late to reach the agent in its time."""
DOMAINS = 5
"""Side by side."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="agent-"))
    yield path
    shutil.rmtree(path)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def is_timed_out(agent: GuestAgent, view: DomainView, served: ScriptedAgent) -> bool:
    """Have an agent asked that does not answer; whether a request reached it."""
    before = served.requests
    with pytest.raises((AgentUnresponsive, AgentNonsense, AgentLeftAlone)) as caught:
        agent.sample(view)
    failure = caught.value.__cause__ if isinstance(caught.value, AgentLeftAlone) else caught.value
    assert isinstance(failure, AgentUnresponsive | AgentNonsense), "it was asked"
    return served.requests > before


def rests(agent: GuestAgent, view: DomainView, served: ScriptedAgent) -> None:
    """It is not asked again before its rest is over."""
    before = served.requests
    with pytest.raises(AgentLeftAlone) as caught:
        agent.sample(view)
    assert caught.value.__cause__ is None
    assert served.requests == before


def time_out(agent: GuestAgent, view: DomainView, served: ScriptedAgent) -> int:
    """Time out its share, with a rest after each that the agent's coming back ends; most files open."""
    share, reached, most_files = TIMEOUTS // DOMAINS, 0, 0
    for number in range(TRIES // DOMAINS):
        reached += is_timed_out(agent, view, served)
        most_files = max(most_files, open_files())
        if number + 1 >= TRIP_AFTER:
            rests(agent, view, served)
            if reached >= share:
                break
            agent.heard(DomainEvent(DomainEventKind.AGENT_CONNECTED, view.id))
    assert reached >= share
    return most_files


@pytest.mark.parametrize(
    "fault", [Fault.SILENT, Fault.HALF, Fault.LATE], ids=lambda fault: fault.name.lower()
)
def test_a_thousand_time_outs_leave_nothing_behind(folder: Path, fault: Fault) -> None:
    views = [
        replace(VIEW, id=DomainId("h", f"web-{number}"), name=f"web-{number}") for number in range(DOMAINS)
    ]
    with ExitStack() as stack:
        agents = {
            view.id: stack.enter_context(ScriptedAgent(path=folder / view.name, faults={ANY: fault}))
            for view in views
        }
        channel = SocketAgentChannel(
            lambda domain: agents[domain].address, name_of=lambda domain: domain.uuid
        )
        agent = GuestAgent(channel, SystemClock(), timeout_s=TIMEOUT_S)
        before = (open_files(), threading.active_count())
        with ThreadPoolExecutor(DOMAINS) as pool:
            runs = [pool.submit(time_out, agent, view, agents[view.id]) for view in views]
            most_files = max(run.result() for run in runs)
        assert sum(served.requests for served in agents.values()) >= TIMEOUTS
        # Both ends of one connection of each, and of one that is being hung up.
        assert most_files <= before[0] + 4 * DOMAINS + DOMAINS  # and the folder that each counts them in
        assert threading.active_count() == before[1]

        for served in agents.values():
            served.faults.clear()
        patient = GuestAgent(channel, SystemClock(), timeout_s=5)
        assert {patient.sample(view).source for view in views} == {CpuSource.PROC_STAT}
        patient.close()
        channel.close()
