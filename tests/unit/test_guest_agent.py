"""The probe ladder and the life of a guest's agent, over a scripted guest."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from autoscaler.backends.agent.breaker import LONGEST_REST_S
from autoscaler.backends.agent.guest_agent import GuestAgent
from autoscaler.backends.agent.probe_ladder import RECHECK_S
from autoscaler.backends.agent.session import MOST_LOST
from autoscaler.core.model import CpuSource, DomainEvent, DomainEventKind, DomainId
from autoscaler.errors import (
    AgentAbsent,
    AgentBlocked,
    AgentLeftAlone,
    AgentNonsense,
    AgentUnresponsive,
    AutoscalerError,
    BackendUnavailable,
    DomainBusy,
    NoChannel,
)
from tests.fakes.guest_channel import VIEW, WEB, GuestChannel, SteppedClock
from tests.fakes.scripted_guest import ScriptedGuest

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES = {"guest-file-open", "guest-file-read", "guest-file-close", "guest-file-seek"}
STATS = {"guest-get-cpustats"}
EXEC = {"guest-exec", "guest-exec-status"}


@pytest.mark.parametrize(
    ("blocked", "source"),
    [
        pytest.param(set(), CpuSource.PROC_STAT, id="nothing blocked"),
        pytest.param({"guest-file-seek"}, CpuSource.PROC_STAT, id="no seeking"),
        pytest.param(FILES, CpuSource.CPUSTATS, id="no files"),
        pytest.param({"guest-info"} | FILES, CpuSource.CPUSTATS, id="no files and no guest-info"),
        pytest.param(FILES | STATS, CpuSource.EXEC, id="no files and an agent before 7.1"),
        pytest.param({"guest-file-close"} | STATS, CpuSource.EXEC, id="no closing: then no opening"),
    ],
)
def test_each_guest_is_read_by_the_best_source_that_it_allows(
    agent: GuestAgent, guest: ScriptedGuest, clock: SteppedClock, blocked: set[str], source: CpuSource
) -> None:
    guest.blocked = blocked
    guest.load_vcpus, guest.steal_vcpus = 1.5, 0.5
    first = agent.sample(VIEW)
    clock.now_s += 10
    second = agent.sample(VIEW)
    assert (first.source, second.source) == (source, source)
    assert second.busy_s - first.busy_s == pytest.approx(15, abs=0.02)
    assert second.steal_s - first.steal_s == pytest.approx(5, abs=0.02)
    assert (second.online, second.at_s) == (frozenset({0, 1}), 110.0)
    told = source is not CpuSource.CPUSTATS
    assert second.runnable == (2 if told else None)
    assert second.boot_s == (guest.boot_s if told else None)


def test_the_open_file_is_kept_and_read_anew_with_two_requests_a_sample(
    agent: GuestAgent, channel: GuestChannel
) -> None:
    agent.sample(VIEW)
    channel.take_asked()
    for _ in range(3):
        agent.sample(VIEW)
    assert channel.take_asked() == ["guest-file-seek", "guest-file-read"] * 3
    assert len(channel.guest.open_files) == 1


def test_what_an_agent_allows_is_asked_anew_once_it_opened_its_channel_anew(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel
) -> None:
    guest.blocked = FILES | {"guest-set-vcpus"}
    assert agent.sample(VIEW).source is CpuSource.CPUSTATS
    guest.blocked = set()
    assert agent.sample(VIEW).source is CpuSource.CPUSTATS
    agent.heard(DomainEvent(DomainEventKind.AGENT_CONNECTED, WEB))
    channel.take_asked()
    assert agent.sample(VIEW).source is CpuSource.PROC_STAT
    assert channel.take_asked()[0] == "guest-info"
    agent.set_online(WEB, target=1)
    agent.sample(VIEW)
    asked = channel.take_asked()
    assert "guest-set-vcpus" in asked
    assert "guest-info" not in asked


def test_a_file_longer_than_one_read_is_read_to_its_end(agent: GuestAgent, guest: ScriptedGuest) -> None:
    guest.chunk_bytes = 100
    assert agent.sample(VIEW).online == {0, 1}


def test_a_file_that_stays_old_when_sought_back_is_opened_each_time_and_never_left_open(
    agent: GuestAgent, guest: ScriptedGuest, clock: SteppedClock
) -> None:
    guest.stale_seek = True
    guest.load_vcpus = 1
    busy_s = []
    for _ in range(4):
        busy_s.append(agent.sample(VIEW).busy_s)
        clock.now_s += 1
    assert busy_s == [0, 1, 2, 3]
    assert guest.open_files == {}


def test_a_restarted_agent_is_noticed_and_asked_what_it_allows(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel
) -> None:
    agent.sample(VIEW)
    guest.restart_agent()
    guest.version = "9.9"
    assert agent.sample(VIEW).source is CpuSource.PROC_STAT
    channel.take_asked()
    agent.sample(VIEW)
    assert channel.take_asked()[0] == "guest-info"
    assert agent.agent_version(WEB) == "9.9"
    assert len(guest.open_files) == 1


def test_a_command_that_is_blocked_while_running_gives_the_next_rung_at_once(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel
) -> None:
    agent.sample(VIEW)
    guest.blocked = FILES
    assert agent.sample(VIEW).source is CpuSource.CPUSTATS
    channel.take_asked()
    agent.sample(VIEW)
    assert channel.take_asked() == ["guest-get-cpustats"]


def test_a_command_that_is_allowed_again_is_found_again(
    agent: GuestAgent, guest: ScriptedGuest, clock: SteppedClock
) -> None:
    guest.blocked = FILES
    agent.sample(VIEW)
    guest.blocked = set()
    assert agent.sample(VIEW).source is CpuSource.CPUSTATS
    clock.now_s += RECHECK_S
    assert agent.sample(VIEW).source is CpuSource.PROC_STAT


def test_a_file_that_the_kernel_refuses_to_open_is_not_tried_each_time(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel
) -> None:
    guest.denied["/proc/stat"] = "Permission denied"
    assert agent.sample(VIEW).source is CpuSource.CPUSTATS
    channel.take_asked()
    agent.sample(VIEW)
    assert channel.take_asked() == ["guest-get-cpustats"]


@pytest.mark.parametrize("delay_s", [None, 0.25])
def test_without_an_agent_channel_the_host_side_stands_in(
    agent: GuestAgent, channel: GuestChannel, delay_s: float | None
) -> None:
    channel.unreachable = NoChannel("no channel")
    sample = agent.sample(replace(VIEW, vcpu_delay_s=delay_s))
    assert (sample.source, sample.busy_s, sample.steal_s) == (CpuSource.HOST, 7.5, delay_s or 0)
    assert (sample.at_s, sample.online) == (VIEW.at_s, frozenset({0, 1}))
    assert (sample.runnable, sample.boot_s) == (None, None)


def test_an_agent_that_allows_nothing_is_not_asked_at_each_sample(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel
) -> None:
    guest.blocked = FILES | STATS | EXEC
    assert agent.sample(VIEW).source is CpuSource.HOST
    channel.take_asked()
    assert agent.sample(VIEW).source is CpuSource.HOST
    assert channel.take_asked() == []


@pytest.mark.parametrize(
    ("unreachable", "blocked", "error"),
    [
        pytest.param(NoChannel("no channel"), set(), NoChannel, id="no channel"),
        pytest.param(None, FILES | STATS | EXEC, AgentBlocked, id="all blocked"),
    ],
)
def test_where_the_host_sees_nothing_either_the_reason_is_said(
    agent: GuestAgent,
    channel: GuestChannel,
    unreachable: AutoscalerError | None,
    blocked: set[str],
    error: type[AutoscalerError],
) -> None:
    channel.unreachable, channel.guest.blocked = unreachable, blocked
    with pytest.raises(error):
        agent.sample(replace(VIEW, vcpu_time_s=None))


def test_an_agent_that_never_ran_is_not_replaced_by_the_host_side(
    agent: GuestAgent, channel: GuestChannel
) -> None:
    channel.unreachable = AgentAbsent("nobody listens")
    with pytest.raises(AgentAbsent):
        agent.sample(VIEW)


@pytest.mark.parametrize(
    "error", [AgentAbsent, AgentUnresponsive, AgentNonsense, DomainBusy, BackendUnavailable]
)
def test_an_agent_that_may_be_back_at_once_is_not_replaced_by_the_host_side(
    agent: GuestAgent, channel: GuestChannel, error: type[AutoscalerError]
) -> None:
    agent.sample(VIEW)
    channel.unreachable = error("later")
    with pytest.raises(error):
        agent.sample(VIEW)
    channel.unreachable = None
    channel.take_asked()
    assert agent.sample(VIEW).source is CpuSource.PROC_STAT
    assert channel.take_asked()[0] == "guest-info"
    assert len(channel.guest.open_files) == 1


@pytest.mark.parametrize("libvirt", [False, True])
@pytest.mark.parametrize("met_before", [False, True])
@pytest.mark.parametrize("blocked", [set(), FILES, FILES | STATS])
def test_a_frozen_guest_is_busy_and_loses_nothing_by_it(
    agent: GuestAgent,
    guest: ScriptedGuest,
    channel: GuestChannel,
    blocked: set[str],
    *,
    met_before: bool,
    libvirt: bool,
) -> None:
    channel.libvirt = libvirt
    guest.blocked = blocked
    before = agent.sample(VIEW).source if met_before else None
    guest.frozen = True
    for _ in range(2):
        with pytest.raises(DomainBusy, match="virsh -c lab domfsthaw"):
            agent.sample(VIEW)
        with pytest.raises(DomainBusy):
            agent.vcpus(WEB)
        with pytest.raises(DomainBusy):
            agent.set_online(WEB, target=1)
    guest.frozen = False
    assert agent.sample(VIEW).source is (before or agent.sample(VIEW).source)
    assert agent.vcpus(WEB).online == 2
    assert len(guest.open_files) == (0 if blocked else 1)


@pytest.mark.parametrize(
    ("blocked", "command", "lie"),
    [
        pytest.param(set(), "guest-info", {"version": "9"}, id="no list of commands"),
        pytest.param(set(), "guest-info", {"version": 9, "supported_commands": []}, id="no version text"),
        pytest.param(set(), "guest-info", {"version": "9", "supported_commands": [7]}, id="no command"),
        pytest.param(set(), "guest-file-open", -1, id="a negative handle"),
        pytest.param(set(), "guest-file-open", True, id="true for a handle"),
        pytest.param(set(), "guest-file-read", {"buf-b64": "?", "eof": True}, id="no base64"),
        pytest.param(set(), "guest-file-read", {"buf-b64": "", "eof": False}, id="a file without end"),
        pytest.param(set(), "guest-file-read", {"buf-b64": "", "eof": 1}, id="no flag"),
        pytest.param(set(), "guest-file-read", {"buf-b64": "AA==", "eof": True}, id="no /proc/stat"),
        pytest.param(FILES, "guest-get-cpustats", {}, id="no list"),
        pytest.param(FILES, "guest-get-cpustats", [], id="no vCPU"),
        pytest.param(FILES, "guest-get-cpustats", [{"cpu": 0}], id="no counters"),
        pytest.param(FILES, "guest-get-cpustats", [{"cpu": 4096}], id="an id out of bounds"),
        pytest.param(
            FILES, "guest-get-cpustats", [{"cpu": n} for n in range(4097)], id="more vCPUs than there can be"
        ),
        pytest.param(
            FILES,
            "guest-get-cpustats",
            [{"cpu": 0, "user": -1, "nice": 0, "system": 0}],
            id="a negative counter",
        ),
        pytest.param(
            FILES,
            "guest-get-cpustats",
            [{"cpu": 0, "user": 1, "nice": 0, "system": 0}] * 2,
            id="a vCPU twice",
        ),
        pytest.param(
            FILES, "guest-get-cpustats", [{"cpu": 0, "user": 1.5, "nice": 0, "system": 0}], id="a fraction"
        ),
        pytest.param(FILES | STATS, "guest-exec", {"pid": "1"}, id="no pid"),
        pytest.param(FILES | STATS, "guest-exec-status", {"exited": "yes"}, id="no state"),
        pytest.param(
            FILES | STATS,
            "guest-exec-status",
            {"exited": True, "exitcode": 0, "out-data": "?"},
            id="no output",
        ),
    ],
)
def test_an_answer_that_cannot_be_true_gives_no_sample(
    agent: GuestAgent, guest: ScriptedGuest, blocked: set[str], command: str, lie: object
) -> None:
    guest.blocked = blocked
    guest.lies[command] = lie
    with pytest.raises(AgentNonsense, match="web-1"):
        agent.sample(VIEW)
    guest.lies.clear()
    assert agent.sample(VIEW).online == {0, 1}


def test_a_huge_file_is_not_read_to_its_end(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel
) -> None:
    guest.files["/proc/stat"] = b"x" * 3_000_000
    with pytest.raises(AgentNonsense, match="has no end"):
        agent.sample(VIEW)
    assert len(channel.take_asked()) < 25


def test_a_reading_that_breaks_off_leaves_no_second_file_open(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel
) -> None:
    channel.failures["guest-file-read"] = AgentUnresponsive("slow")
    for _ in range(2):
        with pytest.raises(AgentUnresponsive):
            agent.sample(VIEW)
    channel.failures.clear()
    assert agent.sample(VIEW).source is CpuSource.PROC_STAT
    assert len(guest.open_files) == 1


def test_a_close_whose_answer_was_lost_is_made_up_for(
    agent: GuestAgent, guest: ScriptedGuest, channel: GuestChannel
) -> None:
    guest.blocked = {"guest-get-vcpus", "guest-file-seek"}
    channel.failures["guest-file-close"] = AgentUnresponsive("slow")
    assert agent.vcpus(WEB).present == 2
    channel.failures.clear()
    agent.sample(VIEW)
    agent.sample(VIEW)
    assert guest.open_files == {}


@pytest.mark.parametrize(
    ("blocked", "command"),
    [
        pytest.param(STATS | EXEC, "guest-file-open", id="files"),
        pytest.param(FILES | STATS, "guest-exec", id="processes"),
    ],
)
def test_a_guest_that_is_always_too_slow_is_not_filled_with_what_was_lost(
    agent: GuestAgent,
    guest: ScriptedGuest,
    channel: GuestChannel,
    clock: SteppedClock,
    blocked: set[str],
    command: str,
) -> None:
    guest.blocked = blocked
    channel.failures[command] = AgentUnresponsive("slow")
    for _ in range(MOST_LOST):
        clock.now_s += 2 * LONGEST_REST_S
        with pytest.raises((AgentUnresponsive, AgentLeftAlone)):
            agent.sample(VIEW)
    clock.now_s += 2 * LONGEST_REST_S
    for _ in range(5):
        assert agent.sample(VIEW).source is CpuSource.HOST
    assert len(guest.open_files) + len(guest.processes) == MOST_LOST


def test_a_process_that_did_not_end_in_time_is_waited_for_before_the_next(
    channel: GuestChannel, clock: SteppedClock, guest: ScriptedGuest
) -> None:
    guest.blocked = FILES | STATS
    guest.exec_polls = 1_000_000
    agent = GuestAgent(channel, clock, timeout_s=0.05)
    for _ in range(2):
        with pytest.raises(AgentUnresponsive):
            agent.sample(VIEW)
    assert len(guest.processes) == 1
    guest.processes = dict.fromkeys(guest.processes, 0)
    guest.exec_polls = 0
    assert agent.sample(VIEW).source is CpuSource.EXEC
    assert guest.processes == {}


def test_a_cat_that_fails_gives_the_next_rung(agent: GuestAgent, guest: ScriptedGuest) -> None:
    guest.blocked = FILES | STATS
    guest.lies["guest-exec-status"] = {"exited": True, "exitcode": 1}
    assert agent.sample(VIEW).source is CpuSource.HOST


def test_the_version_is_known_once_the_agent_was_asked(agent: GuestAgent, channel: GuestChannel) -> None:
    assert agent.agent_version(WEB) is None
    agent.sample(VIEW)
    assert agent.agent_version(WEB) == "7.2.22"
    channel.unreachable = AgentAbsent("gone")
    with pytest.raises(AgentAbsent):
        agent.sample(VIEW)
    assert agent.agent_version(WEB) is None


def test_a_forgotten_guest_is_met_anew(agent: GuestAgent, channel: GuestChannel) -> None:
    agent.sample(VIEW)
    agent.forget(WEB)
    agent.forget(WEB)
    channel.take_asked()
    agent.sample(VIEW)
    assert channel.take_asked()[0] == "guest-info"


def test_closing_leaves_no_file_open_in_any_guest(agent: GuestAgent, guest: ScriptedGuest) -> None:
    agent.sample(VIEW)
    agent.close()
    assert guest.open_files == {}


def test_closing_does_not_mind_a_guest_that_is_gone(agent: GuestAgent, channel: GuestChannel) -> None:
    agent.sample(VIEW)
    channel.unreachable = AgentUnresponsive("gone")
    agent.close()


def test_a_call_waits_for_the_one_before_it_and_no_longer(clock: SteppedClock, guest: ScriptedGuest) -> None:
    entered, leave = threading.Event(), threading.Event()

    class SlowChannel(GuestChannel):
        def ask(
            self,
            domain: DomainId,
            command: str,
            arguments: Mapping[str, object] | None = None,
            *,
            timeout_s: float,
        ) -> object:
            entered.set()
            leave.wait(5)
            return super().ask(domain, command, arguments, timeout_s=timeout_s)

    agent = GuestAgent(SlowChannel(guest), clock, timeout_s=0.1)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(agent.sample, VIEW)
        entered.wait(5)
        with pytest.raises(DomainBusy, match="an earlier call to the agent of domain"):
            agent.vcpus(WEB)
        leave.set()
        assert isinstance(first.exception(), AgentUnresponsive)


def test_a_guest_that_runs_more_vcpus_than_it_can_have_is_not_believed(
    agent: GuestAgent, guest: ScriptedGuest
) -> None:
    guest.online = set(range(VIEW.maximum))
    assert len(agent.sample(VIEW).online) == VIEW.maximum
    guest.online = set(range(VIEW.maximum + 1))
    with pytest.raises(AgentNonsense, match="lists 5 vCPUs online where the domain can have 4"):
        agent.sample(VIEW)
