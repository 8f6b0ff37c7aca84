"""A thousand time-outs of one agent: each has its name and leaves nothing, and the guest is read again."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler.backends.agent.channel import SocketAgentChannel
from autoscaler.backends.agent.guest_agent import GuestAgent
from autoscaler.core.model import CpuSource, DomainEvent, DomainEventKind
from autoscaler.ports import AgentError
from autoscaler.service.clock import SystemClock
from tests.fakes.examples import VIEW
from tests.fakes.scripted_agent import ANY, Fault, ScriptedAgent
from tests.fakes.scripted_guest import ScriptedGuest

TIMEOUTS = 1000
TIMEOUT_S = 0.01


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="agent-"))
    yield path
    shutil.rmtree(path)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize(
    "fault", [Fault.SILENT, Fault.HALF, Fault.LATE], ids=lambda fault: fault.name.lower()
)
def test_a_thousand_time_outs_leave_nothing_behind(folder: Path, fault: Fault) -> None:
    named: Counter[str] = Counter()
    with ScriptedAgent(path=folder / "agent.sock", guest=ScriptedGuest()) as served:
        channel = SocketAgentChannel(lambda _: served.address, name_of=lambda _: "web-1")
        agent = GuestAgent(channel, SystemClock(), timeout_s=TIMEOUT_S)
        served.faults[ANY] = fault
        before = (open_files(), threading.active_count())
        most_files = 0
        for _ in range(TIMEOUTS if fault is Fault.SILENT else TIMEOUTS // 10):
            agent.heard(DomainEvent(DomainEventKind.AGENT_CONNECTED, VIEW.id))  # else it is left alone
            with pytest.raises(AgentError) as caught:
                agent.sample(VIEW)
            named[type(caught.value).__name__] += 1
            most_files = max(most_files, open_files())
        # Left alone in the middle of a sample, whose first call had timed out.
        assert set(named) <= {"AgentUnresponsive", "AgentNonsense", "AgentLeftAlone"}
        assert most_files <= before[0] + 4  # both ends of one connection, and of one that is being hung up
        assert threading.active_count() == before[1]

        served.faults.clear()
        patient = GuestAgent(channel, SystemClock(), timeout_s=5)
        assert patient.sample(VIEW).source is CpuSource.PROC_STAT
        patient.close()
        channel.close()
