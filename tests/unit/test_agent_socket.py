"""The socket channel against an agent that misbehaves over a real socket."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoscaler.backends.address import TcpAddress, UnixAddress
from autoscaler.backends.agent.channel import SocketAgentChannel
from autoscaler.backends.agent.connection import SYNC_BYTES
from autoscaler.core.model import DomainId
from autoscaler.errors import (
    AgentAbsent,
    AgentBlocked,
    AgentNonsense,
    AgentRefused,
    AgentUnresponsive,
    AutoscalerError,
    BackendUnavailable,
    DomainBusy,
    DomainGone,
)
from tests.fakes.scripted_agent import ANY, Fault, ScriptedAgent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autoscaler.backends.address import Address

WEB = DomainId("lab", "5f0c6a52-8b1e-4f6c-9a53-3c1c3e0f7a11")
SYNC = "guest-sync-delimited"
PING = "guest-ping"
PLENTY_S = 5.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="agent-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def agent(folder: Path) -> Iterator[ScriptedAgent]:
    with ScriptedAgent(path=folder / "agent.sock") as agent:
        yield agent


@pytest.fixture
def channel(agent: ScriptedAgent) -> Iterator[SocketAgentChannel]:
    with opened(lambda _: agent.address) as channel:
        yield channel


@contextmanager
def opened(address_of: Callable[[DomainId], Address]) -> Iterator[SocketAgentChannel]:
    channel = SocketAgentChannel(address_of, name_of=lambda _: "web-1")
    try:
        yield channel
    finally:
        channel.close()


def ask_at(address_of: Callable[[DomainId], Address]) -> object:
    with opened(address_of) as channel:
        return channel.ask(WEB, PING, timeout_s=PLENTY_S)


def took_s(call: Callable[[], object], error: type[AutoscalerError]) -> float:
    began_s = time.monotonic()
    with pytest.raises(error):
        call()
    return time.monotonic() - began_s


def test_one_connection_serves_many_calls(agent: ScriptedAgent, channel: SocketAgentChannel) -> None:
    answers = [channel.ask(WEB, "guest-sync", {"id": number}, timeout_s=PLENTY_S) for number in range(20)]
    assert answers == list(range(20))
    assert agent.connections == 1


def test_an_agent_is_reached_by_tcp_too() -> None:
    with ScriptedAgent(path=None) as agent, opened(lambda _: agent.address) as channel:
        assert channel.ask(WEB, PING, timeout_s=PLENTY_S) == {}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault.SILENT, AgentUnresponsive, id="silence"),
        pytest.param(Fault.HALF, AgentUnresponsive, id="half a reply"),
        pytest.param(Fault.TRICKLE, AgentUnresponsive, id="a byte now and then"),
        pytest.param(Fault.SLOW, AgentUnresponsive, id="an answer after the deadline"),
        pytest.param(Fault.LATE, AgentUnresponsive, id="an answer with the next question"),
        pytest.param(Fault.HANGS_UP, AgentUnresponsive, id="hung up amid the reply"),
        pytest.param(Fault.HUGE, AgentNonsense, id="64 MB"),
        pytest.param(Fault.GARBAGE, AgentNonsense, id="garbage"),
        pytest.param(Fault.NOISE, AgentNonsense, id="0xFF noise"),
        pytest.param(Fault.DEEP, AgentNonsense, id="200000 deep"),
        pytest.param(Fault.BAD_UTF8, AgentNonsense, id="bad UTF-8"),
        pytest.param(Fault.NAN, AgentNonsense, id="NaN"),
        pytest.param(Fault.LONG_INT, AgentNonsense, id="5000 digits"),
    ],
)
def test_after_a_bad_answer_the_next_question_gets_its_own(
    agent: ScriptedAgent, channel: SocketAgentChannel, fault: Fault, error: type[AutoscalerError]
) -> None:
    agent.slow_s = 0.3
    agent.faults["guest-info"] = fault
    # What is sent whole is refused as soon as it was received, which takes a busy machine its time.
    timeout_s = 0.25 if error is AgentUnresponsive else PLENTY_S
    took = took_s(lambda: channel.ask(WEB, "guest-info", timeout_s=timeout_s), error)
    assert took < timeout_s + 0.75
    agent.faults.clear()
    assert channel.ask(WEB, "guest-sync", {"id": 42}, timeout_s=PLENTY_S) == 42
    assert channel.ask(WEB, PING, timeout_s=PLENTY_S) == {}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault.SILENT, AgentUnresponsive, id="silence: no agent runs"),
        pytest.param(Fault.WRONG_ID, AgentUnresponsive, id="another id"),
        pytest.param(Fault.GARBAGE, AgentUnresponsive, id="garbage"),
        pytest.param(Fault.DEEP, AgentUnresponsive, id="200000 deep"),
        pytest.param(Fault.HALF, AgentUnresponsive, id="half an answer"),
        pytest.param(Fault.TRICKLE, AgentUnresponsive, id="a byte now and then"),
        pytest.param(Fault.HANGS_UP, AgentUnresponsive, id="hung up"),
        pytest.param(Fault.HUGE, AgentNonsense, id="64 MB"),
    ],
)
def test_nothing_is_asked_of_an_agent_that_does_not_get_into_step(
    agent: ScriptedAgent, channel: SocketAgentChannel, fault: Fault, error: type[AutoscalerError]
) -> None:
    agent.slow_s = 0.05
    agent.faults[SYNC] = fault
    timeout_s = 0.3 if error is AgentUnresponsive else PLENTY_S
    assert took_s(lambda: channel.ask(WEB, PING, timeout_s=timeout_s), error) < timeout_s + 1.7
    assert agent.asked == []
    agent.faults.clear()
    assert channel.ask(WEB, PING, timeout_s=PLENTY_S) == {}


def test_noise_before_the_sync_is_passed_over(agent: ScriptedAgent, channel: SocketAgentChannel) -> None:
    agent.faults[SYNC] = Fault.NOISE
    assert channel.ask(WEB, PING, timeout_s=PLENTY_S) == {}


def test_an_answer_given_twice_is_never_taken_for_the_next(
    agent: ScriptedAgent, channel: SocketAgentChannel
) -> None:
    agent.faults["guest-sync"] = Fault.TWICE
    answers = [channel.ask(WEB, "guest-sync", {"id": number}, timeout_s=PLENTY_S) for number in range(5)]
    assert answers == list(range(5))


def test_bytes_that_trickle_do_not_extend_the_deadline(
    agent: ScriptedAgent, channel: SocketAgentChannel
) -> None:
    agent.slow_s = 0.02
    agent.faults[ANY] = Fault.TRICKLE
    assert 0.3 <= took_s(lambda: channel.ask(WEB, "guest-info", timeout_s=0.3), AgentUnresponsive) < 3.0


@pytest.mark.parametrize(
    ("command", "error"),
    [
        pytest.param("guest-frobnicate", AgentBlocked, id="unknown"),
        pytest.param("guest-file-open", AgentBlocked, id="blocked"),
        pytest.param("guest-file-close", AgentRefused, id="refused"),
    ],
)
def test_what_the_agent_answers_with_an_error_leaves_the_connection_good(
    agent: ScriptedAgent, channel: SocketAgentChannel, command: str, error: type[AutoscalerError]
) -> None:
    agent.guest.blocked = {"guest-file-open"}
    with pytest.raises(error, match="web-1"):
        channel.ask(WEB, command, {"handle": 7}, timeout_s=PLENTY_S)
    assert channel.ask(WEB, PING, timeout_s=PLENTY_S) == {}
    assert agent.connections == 1


def test_a_broken_connection_is_opened_anew_within_the_call(
    agent: ScriptedAgent, channel: SocketAgentChannel
) -> None:
    channel.ask(WEB, PING, timeout_s=PLENTY_S)
    agent.hang_up()
    assert channel.ask(WEB, PING, timeout_s=PLENTY_S) == {}
    assert agent.connections == 2


def test_an_agent_that_moved_is_followed(folder: Path, agent: ScriptedAgent) -> None:
    with ScriptedAgent(path=folder / "other.sock") as other:
        addresses = iter([agent.address, other.address])
        with opened(lambda _: next(addresses)) as channel:
            channel.ask(WEB, PING, timeout_s=PLENTY_S)
            channel.ask(WEB, PING, timeout_s=PLENTY_S)
    assert (agent.connections, other.connections) == (1, 1)


def test_a_second_call_waits_for_its_turn_and_no_longer(
    agent: ScriptedAgent, channel: SocketAgentChannel
) -> None:
    agent.slow_s = 3.0
    agent.faults["guest-info"] = Fault.SLOW
    first = threading.Thread(target=channel.ask, args=(WEB, "guest-info"), kwargs={"timeout_s": PLENTY_S})
    first.start()
    while not agent.asked:
        time.sleep(0.005)
    assert took_s(lambda: channel.ask(WEB, PING, timeout_s=0.1), DomainBusy) < 2.0
    assert channel.ask(WEB, PING, timeout_s=PLENTY_S) == {}
    first.join()


def test_a_hung_guest_does_not_hold_up_another(folder: Path, agent: ScriptedAgent) -> None:
    agent.faults[ANY] = Fault.SILENT
    database = DomainId("lab", "00000000-0000-4000-8000-000000000001")
    with (
        ScriptedAgent(path=folder / "other.sock") as other,
        opened(lambda domain: agent.address if domain == WEB else other.address) as channel,
    ):
        hung = threading.Thread(
            target=took_s, args=(lambda: channel.ask(WEB, PING, timeout_s=3.0), AgentUnresponsive)
        )
        hung.start()
        assert channel.ask(database, PING, timeout_s=2.5) == {}
        assert hung.is_alive()
        hung.join()


def test_forgetting_a_domain_ends_the_call_that_is_out(
    agent: ScriptedAgent, channel: SocketAgentChannel
) -> None:
    channel.ask(WEB, PING, timeout_s=PLENTY_S)
    agent.faults["guest-info"] = Fault.SILENT
    forgetting = threading.Timer(0.1, channel.forget, (WEB,))
    forgetting.start()
    assert (
        took_s(lambda: channel.ask(WEB, "guest-info", timeout_s=PLENTY_S), AgentUnresponsive) < PLENTY_S / 2
    )
    forgetting.join()
    agent.faults.clear()
    assert channel.ask(WEB, PING, timeout_s=PLENTY_S) == {}


def test_a_domain_that_was_never_asked_can_be_forgotten(channel: SocketAgentChannel) -> None:
    channel.forget(WEB)


def test_a_closed_channel_takes_no_calls(agent: ScriptedAgent, channel: SocketAgentChannel) -> None:
    channel.ask(WEB, PING, timeout_s=PLENTY_S)
    channel.close()
    channel.close()
    with pytest.raises(BackendUnavailable, match="closed"):
        channel.ask(WEB, PING, timeout_s=PLENTY_S)
    assert agent.asked == [PING]


def test_a_missing_socket_means_no_agent(folder: Path) -> None:
    with pytest.raises(AgentAbsent, match=rf"there is no unix:{folder}/none.sock, .* domain web-1"):
        ask_at(lambda _: UnixAddress(f"{folder}/none.sock"))


def test_a_socket_that_nobody_listens_on_means_no_agent(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{folder}/dead.sock")
    with pytest.raises(AgentAbsent, match="nothing listens on"):
        ask_at(lambda _: UnixAddress(f"{folder}/dead.sock"))


def test_a_port_that_nobody_listens_on_means_no_agent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(AgentAbsent, match=f"nothing listens on tcp:127.0.0.1:{port}"):
        ask_at(lambda _: TcpAddress("127.0.0.1", port))


def test_a_host_without_an_address_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    with pytest.raises(BackendUnavailable, match=r"nowhere.invalid:4444, .* cannot be looked up"):
        ask_at(lambda _: TcpAddress("nowhere.invalid", 4444))


def test_a_socket_that_is_no_socket_is_said(folder: Path) -> None:
    (folder / "agent.sock").mkdir()
    with pytest.raises(AgentAbsent, match="nothing listens on"):
        ask_at(lambda _: UnixAddress(f"{folder}/agent.sock"))


def test_a_socket_that_may_not_be_used_is_no_absent_agent(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    # Root may use any socket, so the kernel's refusal is played.
    def refuse(*_: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(BackendUnavailable, match=r"permission denied on .* give the autoscaler's user"):
        ask_at(lambda _: UnixAddress(f"{folder}/agent.sock"))


def test_an_agent_that_another_program_talks_to_is_said(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
        listener.bind(f"{folder}/agent.sock")
        listener.listen(0)
        other.connect(f"{folder}/agent.sock")
        with pytest.raises(AgentUnresponsive, match=r"other programs wait for .* end the one that holds it"):
            ask_at(lambda _: UnixAddress(f"{folder}/agent.sock"))


def test_an_agent_that_is_not_there_behind_an_open_socket_is_said(
    agent: ScriptedAgent, channel: SocketAgentChannel
) -> None:
    agent.faults[ANY] = Fault.SILENT
    with pytest.raises(AgentUnresponsive, match="start qemu-guest-agent in the guest"):
        channel.ask(WEB, PING, timeout_s=0.1)


def test_a_domain_without_an_address_says_so_itself() -> None:
    def gone(domain: DomainId) -> Address:
        raise DomainGone(f"no guest has the UUID {domain.uuid}")

    with pytest.raises(DomainGone):
        ask_at(gone)


def test_old_replies_of_any_honest_length_are_passed_over_at_the_sync(
    agent: ScriptedAgent, channel: SocketAgentChannel
) -> None:
    agent.guest.lies["guest-info"] = "x" * (SYNC_BYTES // 5)
    agent.faults["guest-info"] = Fault.LATE
    with pytest.raises(AgentUnresponsive):
        channel.ask(WEB, "guest-info", timeout_s=0.1)
    assert channel.ask(WEB, PING, timeout_s=PLENTY_S) == {}
