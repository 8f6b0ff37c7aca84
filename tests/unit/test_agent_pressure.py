"""PSI beside a sample, over a scripted guest: had where it can be, and never at the cost of the sample."""

from __future__ import annotations

import pytest

from autoscaler.backends.agent.guest_agent import GuestAgent
from autoscaler.core.model import CpuSource
from autoscaler.errors import AgentAbsent, AgentUnresponsive, AutoscalerError, DomainGone
from tests.fakes.guest_channel import VIEW, GuestChannel, SteppedClock
from tests.fakes.scripted_guest import ScriptedGuest

PRESSURE = "/proc/pressure/cpu"
FILES = {"guest-file-open", "guest-file-read", "guest-file-close", "guest-file-seek"}
STATS = {"guest-get-cpustats"}
KEPT = ["guest-file-seek", "guest-file-read"]
OPENED = ["guest-file-open", "guest-file-read"]


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def guest(clock: SteppedClock) -> ScriptedGuest:
    return ScriptedGuest(clock=clock.monotonic_s)


@pytest.fixture
def channel(guest: ScriptedGuest) -> GuestChannel:
    return GuestChannel(guest)


@pytest.fixture
def agent(channel: GuestChannel, clock: SteppedClock) -> GuestAgent:
    return GuestAgent(channel, clock, timeout_s=5)


@pytest.mark.parametrize(
    ("blocked", "source"),
    [
        pytest.param(set(), CpuSource.PROC_STAT, id="files"),
        pytest.param({"guest-file-seek"}, CpuSource.PROC_STAT, id="files without seeking"),
        pytest.param(FILES | STATS, CpuSource.EXEC, id="processes"),
    ],
)
def test_a_source_that_reads_files_tells_how_long_tasks_waited(
    agent: GuestAgent, guest: ScriptedGuest, clock: SteppedClock, blocked: set[str], source: CpuSource
) -> None:
    guest.blocked = blocked
    told = []
    for load_vcpus in (0.5, 3.0, 3.0, 0.0, 0.0):
        sample = agent.sample(VIEW, pressure=True)
        assert sample.source is source
        told.append(sample.pressure_s)
        guest.load_vcpus = load_vcpus
        clock.now_s += 10
    assert told == [0.0, 0.0, 10.0, 20.0, 20.0]


def test_pressure_that_is_not_asked_for_costs_no_request(agent: GuestAgent, channel: GuestChannel) -> None:
    agent.sample(VIEW, pressure=True)
    channel.take_asked()
    assert agent.sample(VIEW).pressure_s is None
    assert channel.take_asked() == KEPT


def test_the_pressure_file_is_kept_open_too_also_while_nothing_waits(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel, clock: SteppedClock
) -> None:
    guest.load_vcpus = 2.0
    for _ in range(2):
        agent.sample(VIEW, pressure=True)
        clock.now_s += 1
    guest.load_vcpus = 0.0
    channel.take_asked()
    for _ in range(3):
        clock.now_s += 1
        agent.sample(VIEW, pressure=True)
    assert channel.take_asked() == 3 * (KEPT + KEPT)
    agent.close()
    assert guest.open_files == {}


def test_pressure_that_stays_old_when_sought_back_is_opened_each_time(
    agent: GuestAgent, guest: ScriptedGuest, clock: SteppedClock
) -> None:
    guest.stale_seek, guest.load_vcpus = True, 2.0
    told = []
    for _ in range(4):
        told.append(agent.sample(VIEW, pressure=True).pressure_s)
        clock.now_s += 1
    assert told == [0.0, 1.0, 2.0, 3.0]
    assert guest.open_files == {}


def test_cpustats_do_not_tell_pressure_and_no_other_way_is_tried(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel
) -> None:
    guest.blocked = FILES
    agent.sample(VIEW, pressure=True)
    channel.take_asked()
    sample = agent.sample(VIEW, pressure=True)
    assert (sample.source, sample.pressure_s) == (CpuSource.CPUSTATS, None)
    assert channel.take_asked() == ["guest-get-cpustats"]


@pytest.mark.parametrize(
    ("blocked", "requests"),
    [
        pytest.param(set(), KEPT, id="files"),
        pytest.param(FILES | STATS, ["guest-exec", "guest-exec-status", "guest-exec-status"], id="processes"),
    ],
)
def test_a_kernel_without_psi_is_asked_once_until_the_agent_is_another(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel, blocked: set[str], requests: list[str]
) -> None:
    guest.blocked, guest.psi = blocked, False
    assert agent.sample(VIEW, pressure=True).pressure_s is None
    channel.take_asked()
    assert agent.sample(VIEW, pressure=True).pressure_s is None
    assert channel.take_asked() == requests
    guest.psi = True
    channel.unreachable = AgentAbsent("rebooting")
    with pytest.raises(AgentAbsent):
        agent.sample(VIEW, pressure=True)
    channel.unreachable = None
    assert agent.sample(VIEW, pressure=True).pressure_s == 0.0


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"some total=-1\n", id="a negative total"),
        pytest.param(b"x" * 3_000_000, id="no end"),
    ],
)
def test_nonsense_is_not_said_and_asked_for_again(
    agent: GuestAgent, guest: ScriptedGuest, content: bytes
) -> None:
    guest.files[PRESSURE] = content
    sample = agent.sample(VIEW, pressure=True)
    assert (sample.source, sample.pressure_s) == (CpuSource.PROC_STAT, None)
    del guest.files[PRESSURE]
    assert agent.sample(VIEW, pressure=True).pressure_s == 0.0


@pytest.mark.parametrize("error", [AgentUnresponsive, AgentAbsent, DomainGone])
def test_an_agent_that_goes_silent_before_it_told_pressure_costs_only_that(
    agent: GuestAgent, channel: GuestChannel, error: type[AutoscalerError]
) -> None:
    agent.sample(VIEW)
    channel.failures["guest-file-open"] = error("gone")
    sample = agent.sample(VIEW, pressure=True)
    assert (sample.source, sample.pressure_s) == (CpuSource.PROC_STAT, None)
    channel.failures.clear()
    assert agent.sample(VIEW, pressure=True).pressure_s == 0.0


def test_a_process_that_reads_pressure_without_end_keeps_no_sample_back(
    channel: GuestChannel, clock: SteppedClock, guest: ScriptedGuest
) -> None:
    guest.blocked = FILES | STATS
    agent = GuestAgent(channel, clock, timeout_s=0.1)
    agent.sample(VIEW)
    guest.never_ends = {PRESSURE}
    for _ in range(3):
        sample = agent.sample(VIEW, pressure=True)
        assert (sample.source, sample.pressure_s) == (CpuSource.EXEC, None)
    assert len(guest.processes) == 1


def test_a_guest_that_froze_meanwhile_is_asked_again_when_it_is_thawed(
    clock: SteppedClock, guest: ScriptedGuest
) -> None:
    class FreezesBetween(GuestChannel):
        """Freezes the guest's filesystems once its /proc/stat was read."""

        freezes = True

        def ask(self, *request: object, **more: object) -> object:
            answer = super().ask(*request, **more)  # type: ignore[arg-type]
            if request[1] == "guest-file-read":
                guest.frozen = self.freezes
            return answer

    channel = FreezesBetween(guest)
    agent = GuestAgent(channel, clock, timeout_s=5)
    assert agent.sample(VIEW, pressure=True).pressure_s is None
    guest.frozen = channel.freezes = False
    assert agent.sample(VIEW, pressure=True).pressure_s == 0.0


def test_a_sample_is_stamped_before_pressure_is_read(clock: SteppedClock, guest: ScriptedGuest) -> None:
    class SlowToOpen(GuestChannel):
        """Each file takes a second to open."""

        def ask(self, *request: object, **more: object) -> object:
            if request[1] == "guest-file-open":
                clock.now_s += 1
            return super().ask(*request, **more)  # type: ignore[arg-type]

    agent = GuestAgent(SlowToOpen(guest), clock, timeout_s=5)
    assert agent.sample(VIEW, pressure=True).at_s == 101.0
    assert clock.now_s == 102.0
