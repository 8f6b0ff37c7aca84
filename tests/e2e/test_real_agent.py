"""The agent client against the real qemu-ga program, run on this host: nothing but reading is asked of it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoscaler.backends.address import UnixAddress
from autoscaler.backends.agent.channel import SocketAgentChannel
from autoscaler.backends.agent.guest_agent import GuestAgent
from autoscaler.backends.agent.measured import MeasuredChannel
from autoscaler.core.model import CpuSource, DomainId, DomainView, RunState
from autoscaler.errors import AgentAbsent, AgentBlocked, AgentRefused
from autoscaler.lab import sources
from autoscaler.lab.cache import cache_folder
from autoscaler.service.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = DomainId("lab", "5f0c6a52-8b1e-4f6c-9a53-3c1c3e0f7a11")
VIEW = DomainView(
    id=HOST, name="host", state=RunState.RUNNING, plugged=1, maximum=4096, at_s=0.0, vcpu_time_s=1.0
)
FILE_READING = "guest-file-open"
PRESSURE = Path("/proc/pressure/cpu")
ACCEPTS = "00010000"
"""In the flags of /proc/net/unix: somebody listens."""


@dataclass
class RealAgent:
    """A qemu-ga process, and the client of it."""

    program: Path
    folder: Path
    asked: list[str] = field(default_factory=list)

    def start(self, *, block: str = "") -> None:
        blocked = ["-b", block] if block else []
        self.process = subprocess.Popen(
            [self.program, "-m", "unix-listen", "-p", self.socket, "-t", self.folder, *blocked],
            stdin=subprocess.DEVNULL,
        )
        deadline_s = time.monotonic() + 10
        while not self._listens():
            assert self.process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.01)

    def stop(self) -> None:
        # SIGTERM can leave qemu-ga 7.2 in a deadlock of its own signal handler.
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)

    def _listens(self) -> bool:
        """A socket's file is there a moment before anyone can connect."""
        sockets = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        return any(words[-1] == str(self.socket) and words[3] == ACCEPTS for words in sockets)

    @property
    def socket(self) -> Path:
        return self.folder / "agent.sock"

    @property
    def open_files(self) -> int:
        return sum(
            path.readlink() == Path("/proc/stat")
            for path in Path(f"/proc/{self.process.pid}/fd").iterdir()
            if path.is_symlink()
        )


@pytest.fixture(scope="module")
def program() -> Path:
    return sources.from_packages(cache_folder(), lambda _: None).agent


@pytest.fixture
def real(program: Path) -> Iterator[RealAgent]:
    folder = Path(tempfile.mkdtemp(prefix="qga-"))
    real = RealAgent(program, folder)
    real.start()
    yield real
    real.stop()
    shutil.rmtree(folder)


@pytest.fixture
def channel(real: RealAgent) -> Iterator[SocketAgentChannel]:
    channel = SocketAgentChannel(lambda _: UnixAddress(str(real.socket)), name_of=lambda _: "host")
    yield channel
    channel.close()


@pytest.fixture
def agent(real: RealAgent, channel: SocketAgentChannel) -> Iterator[GuestAgent]:
    with ExitStack() as closing:
        measured = MeasuredChannel(channel, lambda command, _seconds, _error: real.asked.append(command))
        agent = GuestAgent(measured, SystemClock(), timeout_s=5)
        closing.callback(agent.close)
        yield agent


def burn(seconds: float) -> None:
    until_s = time.process_time() + seconds
    while time.process_time() < until_s:
        pass


def test_the_counters_of_a_kept_file_move_with_the_load(real: RealAgent, agent: GuestAgent) -> None:
    first = agent.sample(VIEW)
    burn(0.3)
    second = agent.sample(VIEW)
    assert second.source is CpuSource.PROC_STAT
    assert second.busy_s - first.busy_s >= 0.25
    assert second.online == first.online
    assert second.boot_s == pytest.approx(first.boot_s, abs=2)
    assert real.asked[-2:] == ["guest-file-seek", "guest-file-read"]
    assert real.open_files == 1


ROUNDING_S = 0.5
"""Each source adds up other fields of other CPUs, each rounded to a tick or a millisecond."""


@pytest.mark.parametrize(
    ("block", "source"),
    [
        pytest.param("guest-file-seek", CpuSource.PROC_STAT, id="no seeking"),
        pytest.param(FILE_READING, CpuSource.CPUSTATS, id="no files"),
        pytest.param(f"{FILE_READING},guest-get-cpustats", CpuSource.EXEC, id="no files, no cpustats"),
        pytest.param(f"{FILE_READING},guest-get-cpustats,guest-exec", CpuSource.HOST, id="nothing"),
    ],
)
def test_what_is_blocked_when_the_agent_restarts_gives_the_next_rung(
    real: RealAgent, agent: GuestAgent, block: str, source: CpuSource
) -> None:
    before = agent.sample(VIEW)
    real.stop()
    real.start(block=block)
    sample = agent.sample(VIEW)
    assert (before.source, sample.source) == (CpuSource.PROC_STAT, source)
    if source is not CpuSource.HOST:
        assert sample.busy_s >= before.busy_s - ROUNDING_S
        assert sample.online == before.online


def test_every_source_tells_the_same_story(real: RealAgent, agent: GuestAgent) -> None:
    told = {}
    for block in ("", FILE_READING, f"{FILE_READING},guest-get-cpustats"):
        real.stop()
        real.start(block=block)
        agent.forget(HOST)
        sample = agent.sample(VIEW)
        told[sample.source] = sample
    assert len(told) == 3
    busy_s = [sample.busy_s for sample in told.values()]
    assert all(later >= earlier - ROUNDING_S for earlier, later in pairwise(busy_s))
    # CPUs that went offline since boot are in the sum of /proc/stat and not among those that cpustats lists.
    assert max(busy_s) - min(busy_s) < 0.05 * max(busy_s) + 5
    assert len({sample.online for sample in told.values()}) == 1


def waited_s() -> float:
    """What this host's own kernel says of its pressure."""
    some = PRESSURE.read_text().splitlines()[0]
    return int(some.rpartition("total=")[2]) / 1e6


@pytest.mark.parametrize(
    ("block", "source"),
    [
        pytest.param("", CpuSource.PROC_STAT, id="a kept file"),
        pytest.param("guest-file-seek", CpuSource.PROC_STAT, id="no seeking"),
        pytest.param(f"{FILE_READING},guest-get-cpustats", CpuSource.EXEC, id="no files, no cpustats"),
    ],
)
def test_pressure_is_what_the_kernel_says_at_that_moment_where_it_says_it(
    real: RealAgent, agent: GuestAgent, block: str, source: CpuSource
) -> None:
    real.stop()
    real.start(block=block)
    for _ in range(3):
        earliest_s = waited_s() if PRESSURE.exists() else None
        sample = agent.sample(VIEW, pressure=True)
        assert sample.source is source
        if earliest_s is None:
            assert sample.pressure_s is None
        else:
            assert sample.pressure_s is not None
            assert earliest_s <= sample.pressure_s <= waited_s()


def test_an_agent_that_is_down_is_absent_and_found_again(real: RealAgent, agent: GuestAgent) -> None:
    assert agent.sample(VIEW).source is CpuSource.PROC_STAT
    real.stop()
    with pytest.raises(AgentAbsent, match="agent socket of domain host"):
        agent.sample(VIEW)
    real.start()
    assert agent.sample(VIEW).source is CpuSource.PROC_STAT


def test_vcpus_are_listed_the_same_by_command_and_by_file(real: RealAgent, agent: GuestAgent) -> None:
    by_command = agent.vcpus(HOST)
    real.stop()
    real.start(block="guest-get-vcpus")
    by_file = agent.vcpus(HOST)
    assert by_command.present == by_file.present >= 1
    assert [vcpu.online for vcpu in by_command.vcpus] == [vcpu.online for vcpu in by_file.vcpus]


def test_the_version_is_the_one_that_the_program_prints(real: RealAgent, agent: GuestAgent) -> None:
    agent.sample(VIEW)
    version = agent.agent_version(HOST)
    printed = subprocess.run([real.program, "-V"], capture_output=True, text=True, check=True).stdout
    assert version is not None
    assert version in printed


def test_no_file_stays_open_once_the_client_is_closed(real: RealAgent, agent: GuestAgent) -> None:
    for _ in range(20):
        agent.sample(VIEW)
    assert real.open_files == 1
    agent.close()
    assert real.open_files == 0


def test_what_the_real_agent_refuses_is_named(real: RealAgent, channel: SocketAgentChannel) -> None:
    assert real.process.poll() is None
    with pytest.raises(AgentBlocked, match="domain host does not allow guest-frobnicate"):
        channel.ask(HOST, "guest-frobnicate", timeout_s=5)
    with pytest.raises(AgentRefused, match="handle '77' has not been found"):
        channel.ask(HOST, "guest-file-close", {"handle": 77}, timeout_s=5)
    assert channel.ask(HOST, "guest-ping", timeout_s=5) == {}
