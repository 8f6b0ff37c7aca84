"""The control socket: who is let in, what a request is, and that nobody holds up anybody else."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import resource
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from autoscaler.backends.agent.deadline import Deadline
from autoscaler.backends.local import server as line_server
from autoscaler.backends.local.peer import Peer, admits
from autoscaler.backends.local.wire import receive
from autoscaler.service.clock import SystemClock
from autoscaler.service.control import ControlSocket
from autoscaler.service.control_client import ControlRefused, ask_control
from tests.fakes.control_peers import VERBS, connected, eventually, received, say, serving

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@pytest.fixture
def served(path: Path) -> Iterator[Path]:
    with serving(path):
        yield path


def test_a_verb_gets_its_arguments_and_its_answer_comes_back(served: Path) -> None:
    assert ask_control(served, "echo", domain="web-1", vcpus=4) == {"heard": {"domain": "web-1", "vcpus": 4}}
    assert say(served, b'{"verb": "echo"}\n') == {"heard": {}, "ok": True}


def test_an_end_of_the_request_stands_for_the_end_of_its_line(served: Path) -> None:
    assert say(served, b'{"verb": ', b'"echo"}', hang_up=True) == {"heard": {}, "ok": True}


def test_an_error_that_has_a_sentence_is_answered_with_it(served: Path) -> None:
    with pytest.raises(ControlRefused, match=r"^it was not as expected: look again\Z"):
        ask_control(served, "refuse")


@pytest.mark.parametrize("verb", ["break", "thing"])
def test_a_fault_in_a_verb_is_answered_logged_and_survived(
    served: Path, caplog: pytest.LogCaptureFixture, verb: str
) -> None:
    with pytest.raises(ControlRefused, match="internal error"):
        ask_control(served, verb)
    assert "Traceback" in caplog.text
    assert ask_control(served, "echo") == {"heard": {}}


@pytest.mark.parametrize(
    ("request_line", "sentence"),
    [
        pytest.param(b"reload\n", "this was no JSON$", id="no JSON"),
        pytest.param(b"\xff\xfe\n", "this was no JSON$", id="no text"),
        pytest.param(b'["echo"]\n', "this was no JSON object$", id="no object"),
        pytest.param(b"[" * 200_000 + b"\n", "this was no JSON$", id="too deep"),
        pytest.param(b'{"verb": ' + b"9" * 10_000 + b"}\n", "this was no JSON$", id="too large a number"),
        pytest.param(b'{"verb": "echo", "verb": "echo"}\n', "with a key that stands twice", id="a key twice"),
        pytest.param(b'{"verb": "echo", "a": {"b": 1, "b": 2}}\n', "stands twice", id="a key twice within"),
        pytest.param(b'{"domain": "web"}\n', "no verb 'None'", id="no verb"),
        pytest.param(b'{"verb": ["echo"]}\n', "no verb", id="a verb that is no word"),
        pytest.param(b'{"verb": "stop"}\n', "no verb 'stop'; there are echo, refuse", id="unknown verb"),
        pytest.param(b'{"verb": "\\u001b[2J"}\n', r"no verb '\\x1b\[2J'", id="a verb for the terminal"),
        pytest.param(b'{"verb": "' + b"x" * 5_000_000 + b'"}\n', "more than 4194304 bytes$", id="too long"),
    ],
)
def test_what_is_no_request_is_told_so(served: Path, request_line: bytes, sentence: str) -> None:
    answer = say(served, request_line)
    assert list(answer) == ["error"]
    assert re.search(sentence, str(answer["error"]))
    assert ask_control(served, "echo") == {"heard": {}}


def test_a_verb_is_told_who_asks_whatever_the_request_says(served: Path) -> None:
    assert ask_control(served, "who", uid=12345) == {"uid": os.geteuid()}


def test_a_request_of_nearly_the_most_bytes_is_heard(served: Path) -> None:
    text = "x" * (4 * 1024 * 1024 - 100)
    assert ask_control(served, "echo", text=text) == {"heard": {"text": text}}


def received_of(sent: bytes, *, most_bytes: int) -> dict[str, object]:
    """What is made of all that somebody sends before he hangs up."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        return receive(ours, most_bytes=most_bytes, until=Deadline.after(20))


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["open", "whole"])
@pytest.mark.parametrize("most_bytes", [100, 100_000])
def test_a_line_has_as_many_bytes_as_it_may_and_not_one_more(most_bytes: int, end: bytes) -> None:
    line = b'{"verb": "echo"}'.ljust(most_bytes)
    assert received_of(line + end, most_bytes=most_bytes) == {"verb": "echo"}
    with pytest.raises(ValueError, match=f"^a line of more than {most_bytes} bytes$"):
        received_of(line + b" " + end, most_bytes=most_bytes)


def test_a_peer_that_says_nothing_is_told_so_in_time(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_server, "_REQUEST_S", 0.2)
    assert "no whole request came within 0.2 s" in str(say(served)["error"])


def test_a_peer_that_dribbles_has_no_more_time_than_others(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_server, "_REQUEST_S", 0.5)
    started_s = SystemClock().monotonic_s()
    with connected(served) as peer:
        for _ in range(100):
            try:
                peer.sendall(b" ")
            except (BrokenPipeError, ConnectionResetError):
                break
            threading.Event().wait(0.05)
        assert b"no whole request" in received(peer)
    assert SystemClock().monotonic_s() - started_s < 4


def test_a_peer_that_takes_no_answer_holds_a_thread_for_a_bounded_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_server, "_ANSWER_S", 0.2)
    with serving(path, {"much": lambda *_: {"much": "x" * 8_000_000}}) as server, connected(path) as peer:
        peer.sendall(b'{"verb": "much"}\n')
        eventually(lambda: len(server._connections) == 1)
        eventually(lambda: not server._connections)


def test_peers_that_hang_up_cost_nothing(served: Path) -> None:
    for _ in range(50):
        with connected(served) as peer:
            peer.sendall(b'{"verb": "ec')
    assert ask_control(served, "echo") == {"heard": {}}


def test_peers_that_are_silent_or_many_let_the_others_have_their_turn(path: Path) -> None:
    with serving(path) as server, contextlib.ExitStack() as peers:
        for _ in range(30):
            peers.enter_context(connected(path))
        eventually(lambda: len(server._connections) == 8)
        assert ask_control(path, "echo") == {"heard": {}}
        assert len(server._connections) <= 8


CROWD = """
import contextlib, select, socket, sys
path, crowd = sys.argv[1], {}
line = select.poll()

def join():
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        peer.connect(path)
    except BlockingIOError:
        peer.close()
        return
    with contextlib.suppress(OSError):
        peer.send(sys.argv[2].encode())
    crowd[peer.fileno()] = peer
    line.register(peer, select.POLLIN if sys.argv[3] == "hears" else 0)

told = False
while True:
    for _ in range(200 - len(crowd)):
        join()
    for number, _ in line.poll(5):
        line.unregister(number)
        crowd.pop(number).close()
    if not told:
        print("here", flush=True)
        told = True
"""


@contextlib.contextmanager
def crowd(path: Path, *, says: str = "", hears: bool = True) -> Iterator[None]:
    """Another process with 200 connections, each of which it opens again when it is hung up on."""
    command = (sys.executable, "-c", CROWD, path, says, "hears" if hears else "is deaf")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n"
            yield
        finally:
            process.kill()


@pytest.mark.parametrize("says", ["", '{"verb": '], ids=["nothing", "the half of a request"])
def test_an_order_is_heard_at_once_though_a_crowd_holds_connections_and_asks_nothing(
    served: Path, says: str
) -> None:
    with crowd(served, says=says):
        for _ in range(5):
            started_s = SystemClock().monotonic_s()
            assert ask_control(served, "echo", domain="web") == {"heard": {"domain": "web"}}
            assert SystemClock().monotonic_s() - started_s < 3


def test_an_order_is_heard_at_once_though_a_crowd_takes_no_answers(path: Path) -> None:
    verbs = {**VERBS, "much": lambda *_: {"much": "x" * 1_000_000}}
    with serving(path, verbs), crowd(path, says='{"verb": "much"}\n', hears=False):
        for _ in range(5):
            started_s = SystemClock().monotonic_s()
            assert ask_control(path, "echo") == {"heard": {}}
            assert SystemClock().monotonic_s() - started_s < 5


def test_one_who_gives_way_to_others_is_told_that_nothing_was_done(path: Path) -> None:
    with serving(path) as server, connected(path) as first, contextlib.ExitStack() as peers:
        first.sendall(b'{"verb": ')
        for _ in range(8):
            peers.enter_context(connected(path))
        assert json.loads(first.recv(1000)) == {"error": "others waited, and no request had come: ask again"}
        assert received(first) == b""
        eventually(lambda: len(server._connections) <= 8)


def test_a_verb_that_takes_long_is_not_hung_up_on_by_those_who_wait(path: Path) -> None:
    asked, answer = threading.Event(), threading.Event()

    def wait(_request: Mapping[str, object], _peer: Peer) -> Mapping[str, object]:
        asked.set()
        answer.wait(20)
        return {}

    with serving(path, {**VERBS, "wait": wait}), connected(path) as patient:
        patient.sendall(b'{"verb": "wait"}\n')
        assert asked.wait(20)
        with crowd(path):
            assert ask_control(path, "echo") == {"heard": {}}
            answer.set()
            assert json.loads(patient.recv(1000)) == {"ok": True}


def test_who_asks_stands_in_line_where_the_kernel_lets_no_more_wait(path: Path) -> None:
    server = ControlSocket(path, VERBS)
    server._bound.listener.listen(0)
    answers: list[dict[str, object]] = []
    asking = [
        threading.Thread(target=lambda: answers.append(ask_control(path, "echo")), daemon=True)
        for _ in range(4)
    ]
    for thread in asking:
        thread.start()
    threading.Event().wait(0.2)
    server.start()
    for thread in asking:
        thread.join(20)
    server.close()
    assert answers == [{"heard": {}}] * 4


def test_it_closes_while_nobody_is_free_to_answer(path: Path) -> None:
    with serving(path) as server, contextlib.ExitStack() as peers:
        for _ in range(10):
            peers.enter_context(connected(path))
        eventually(lambda: len(server._connections) == 8)
        server.close()
        assert not server._thread.is_alive()


def test_it_goes_on_after_it_had_no_descriptor_left_for_a_connection(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(line_server, "_REST_S", 0.05)
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(path), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(20)
        # No number is free below this limit, whatever else this process may close meanwhile, and two may be
        # waited for.
        resource.setrlimit(resource.RLIMIT_NOFILE, (2, most))
        try:
            peer.connect(os.fspath(path))
            peer.sendall(b'{"verb": "echo"}\n')
            eventually(lambda: "no connection can be taken: Too many open files" in caplog.text)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
        assert json.loads(peer.recv(1000)) == {"heard": {}, "ok": True}


def test_who_waits_when_it_closes_is_not_left_waiting(path: Path) -> None:
    asked, answer = threading.Event(), threading.Event()

    def wait(_request: Mapping[str, object], _peer: Peer) -> Mapping[str, object]:
        asked.set()
        answer.wait(20)
        return {}

    with serving(path, {"wait": wait}) as server, connected(path) as peer, connected(path) as silent:
        peer.sendall(b'{"verb": "wait"}\n')
        assert asked.wait(20)
        eventually(lambda: len(server._connections) == 2)
        server.close()
        assert peer.recv(100) == silent.recv(100) == b""
        answer.set()


@pytest.mark.parametrize(
    ("peer", "mode", "admitted"),
    [
        pytest.param(Peer(1, 0, frozenset()), 0o660, True, id="root"),
        pytest.param(Peer(1, os.geteuid(), frozenset()), 0o600, True, id="the service's user"),
        pytest.param(Peer(1, NOBODY, frozenset({7, 8})), 0o660, True, id="a member of the group"),
        pytest.param(Peer(1, NOBODY, frozenset({7, 8})), 0o640, False, id="a group that may not write"),
        pytest.param(
            Peer(1, NOBODY, frozenset({8, 9})), 0o666, False, id="a stranger, though the mode is wide"
        ),
    ],
)
def test_who_may_give_orders(peer: Peer, mode: int, *, admitted: bool) -> None:
    file = os.stat_result((stat.S_IFSOCK | mode, 0, 0, 1, NOBODY, 7, 0, 0, 0, 0))
    assert admits(file, peer) is admitted


ASK_AS = """
import os, sys
from pathlib import Path
from autoscaler.errors import AutoscalerError
from autoscaler.service.control_client import ask_control

path, user, *groups = sys.argv[1:]
os.setgroups([int(group) for group in groups])
os.setgid(int(user))
os.setuid(int(user))
try:
    print(ask_control(Path(path), "echo"))
except AutoscalerError as error:
    print(error)
"""


def ask_as_nobody(path: Path, *groups: int) -> str:
    """What a process of another user is told, with these groups besides its own."""
    command = [sys.executable, "-c", ASK_AS, str(path), str(NOBODY), *map(str, groups)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@as_root
def test_a_stranger_is_kept_out_by_the_files_mode_and_told_what_to_do(served: Path) -> None:
    assert "you may not use the control socket" in ask_as_nobody(served)


@as_root
def test_a_stranger_is_refused_and_logged_though_the_mode_was_widened(
    served: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served.chmod(0o666)
    assert "root, the service's user and its group may give orders" in ask_as_nobody(served)
    assert f"uid {NOBODY} (process " in caplog.text


KNOCK_AS = """
import contextlib, os, socket, sys
path, first, last, times = sys.argv[1], *map(int, sys.argv[2:])
os.setgroups([])
os.setgid(first)
for user in [*range(first, last + 1)] * times:
    os.seteuid(user)
    with socket.socket(socket.AF_UNIX) as knocking, contextlib.suppress(ConnectionResetError):
        knocking.connect(path)
        knocking.recv(1000)
    os.seteuid(0)
"""


def knock_as(path: Path, first: int, last: int, *, times: int) -> None:
    """Connect so often, as each of these users, and hear what is said."""
    command = [sys.executable, "-c", KNOCK_AS, str(path), str(first), str(last), str(times)]
    subprocess.run(command, check=True, timeout=120)


@as_root
def test_each_stranger_is_logged_ever_more_seldom(served: Path, caplog: pytest.LogCaptureFixture) -> None:
    served.chmod(0o666)
    knock_as(served, 54321, 54322, times=300)
    for user in (54321, 54322):
        told = [record.getMessage() for record in caplog.records if f"uid {user} " in record.getMessage()]
        assert len(told) == 9
        assert told[-1].endswith("may not ask and was refused (256 so far)")
    assert ask_control(served, "echo") == {"heard": {}}


@as_root
def test_strangers_of_many_users_fill_the_log_no_more(served: Path, caplog: pytest.LogCaptureFixture) -> None:
    served.chmod(0o666)
    knock_as(served, 54321, 54820, times=2)
    assert len(caplog.records) < 250
    assert ask_control(served, "echo") == {"heard": {}}


@as_root
def test_a_member_of_the_group_is_let_in_and_logged(served: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="autoscaler")
    os.chown(served, -1, 54321)
    assert ask_as_nobody(served, 54320, 54321) == "{'heard': {}}\n"
    assert f"uid {NOBODY} (process " in caplog.text
    assert "asks for echo" in caplog.text
