"""The control socket: who is let in, what a request is, and that nobody holds up anybody else."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from autoscaler.backends.local import server as line_server
from autoscaler.backends.local.bound_socket import SocketUnavailable
from autoscaler.backends.local.peer import Peer, admits
from autoscaler.errors import AutoscalerError, Conflict, OutcomeUnknown
from autoscaler.service import control, control_client
from autoscaler.service.clock import SystemClock
from autoscaler.service.control import ControllerBusy, ControlSocket, on_controller
from autoscaler.service.control_client import ControlRefused, ControlUnreachable, ask_control
from autoscaler.service.inbox import Inbox
from autoscaler.service.lanes import Lane

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def echo(arguments: Mapping[str, object], _peer: Peer) -> Mapping[str, object]:
    return {"heard": arguments}


def refuse(_request: Mapping[str, object], _peer: Peer) -> Mapping[str, object]:
    raise Conflict("it was not as expected: look again")


def break_down(_request: Mapping[str, object], _peer: Peer) -> Mapping[str, object]:
    raise ZeroDivisionError


def tell_who_asks(_request: Mapping[str, object], peer: Peer) -> Mapping[str, object]:
    return {"uid": peer.uid}


VERBS: dict[str, control.Verb] = {
    "echo": echo,
    "refuse": refuse,
    "break": break_down,
    "thing": lambda *_: {"thing": object()},
    "who": tell_who_asks,
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may pass through, with a short name."""
    folder = Path(tempfile.mkdtemp(prefix="ctl-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "control.sock"


@contextlib.contextmanager
def serving(path: Path, verbs: Mapping[str, control.Verb] = VERBS) -> Iterator[ControlSocket]:
    server = ControlSocket(path, verbs)
    server.start()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def served(path: Path) -> Iterator[Path]:
    with serving(path):
        yield path


@contextlib.contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(20)
        peer.connect(os.fspath(path))
        yield peer


def say(path: Path, *parts: bytes, hang_up: bool = False) -> dict[str, object]:
    """Send bytes as they are and return the answer."""
    with connected(path) as peer:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for part in parts:
                peer.sendall(part)
        if hang_up:
            peer.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: received(peer), b""))
    assert answer.endswith(b"\n")
    assert answer.count(b"\n") == 1
    found = json.loads(answer)
    assert isinstance(found, dict)
    return found


def received(peer: socket.socket) -> bytes:
    """What comes next; nothing after a reset, which only says that there was more to be read."""
    try:
        return peer.recv(1 << 16)
    except ConnectionResetError:
        return b""


def eventually(reached: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(500):
        if reached():
            return
        waited.wait(0.02)
    raise AssertionError


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


def test_the_file_is_never_open_to_others_and_the_mask_of_the_process_stays(path: Path) -> None:
    before = os.umask(0)
    try:
        with serving(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert os.umask(0) == 0
    finally:
        os.umask(before)


def test_the_file_is_gone_after_the_close_and_so_are_the_threads(path: Path) -> None:
    before = set(threading.enumerate())
    with serving(path):
        own = set(threading.enumerate()) - before
        assert own
    assert not path.exists()
    eventually(lambda: not any(thread.is_alive() for thread in own))


def test_a_socket_that_never_began_to_listen_is_closed_as_well(path: Path) -> None:
    before = set(threading.enumerate())
    server = ControlSocket(path, VERBS)
    own = set(threading.enumerate()) - before
    with pytest.raises(ControlUnreachable, match="no autoscaler listens"):
        ask_control(path, "echo")
    server.close()
    assert not path.exists()
    eventually(lambda: not any(thread.is_alive() for thread in own))


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


KILLED = """
import os, sys
from pathlib import Path
from autoscaler.service.control import ControlSocket
ControlSocket(Path(sys.argv[1]), {}).start()
os.kill(os.getpid(), 9)
"""


def test_the_socket_of_a_killed_service_is_replaced(path: Path) -> None:
    killed = subprocess.run((sys.executable, "-c", KILLED, path), check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert path.is_socket()
    with pytest.raises(ControlUnreachable, match="no autoscaler listens"):
        ask_control(path, "echo")
    with serving(path):
        assert ask_control(path, "echo") == {"heard": {}}


def test_what_lies_there_and_is_no_socket_is_left_and_told(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(SocketUnavailable, match="move away what lies at that path"):
        ControlSocket(path, VERBS)
    assert path.read_text() == "mine"


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Another process's socket, that takes nobody in."""
    made = path.with_suffix(".made")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(os.fspath(made))
        other.listen(0)
        made.rename(path)  # for who looks there it has listened from the first moment on
        yield other


def reached(path: Path) -> bool:
    try:
        return ask_control(path, "echo") == {"heard": {}}
    except ControlUnreachable:
        return False


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_server, "_LOOK_S", 0.05)


@pytest.mark.usefixtures("at_once")
def test_a_socket_whose_file_was_removed_is_made_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(path) as server:
        for _ in range(3):
            path.unlink()
            eventually(lambda: reached(path))
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert server.troubles == {}
        assert caplog.text.count("was removed or replaced, and was made anew") == 3
    assert not path.exists()


@pytest.mark.usefixtures("at_once")
def test_a_socket_that_a_dead_one_lies_over_is_made_anew(path: Path) -> None:
    with serving(path):
        path.unlink()
        with listening(path):
            pass
        eventually(lambda: reached(path))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("waiting", [0, 3], ids=["nobody waits there", "its backlog is full"])
def test_what_another_process_listens_on_is_told_and_never_taken(
    path: Path, caplog: pytest.LogCaptureFixture, waiting: int
) -> None:
    with serving(path) as server:
        path.unlink()
        with listening(path), contextlib.ExitStack() as peers:
            for _ in range(waiting):
                kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
                peer = peers.enter_context(socket.socket(socket.AF_UNIX, kind))
                peer.connect_ex(os.fspath(path))
            file = path.lstat()
            eventually(lambda: "another process listens" in server.troubles.get("control", ""))
            threading.Event().wait(0.3)
            assert os.path.samestat(path.lstat(), file)
            assert caplog.text.count("another process listens") == 1
            with pytest.raises(SocketUnavailable, match="another process listens"):
                ControlSocket(path, VERBS)
        eventually(lambda: reached(path))
        assert server.troubles == {}


@pytest.mark.usefixtures("at_once")
def test_what_is_another_process_s_stays_when_the_service_ends(path: Path) -> None:
    with serving(path):
        path.unlink()
        other = listening(path)
        other.__enter__()
    assert path.is_socket()
    other.__exit__(None, None, None)


@pytest.mark.usefixtures("at_once")
def test_what_lies_in_its_place_or_takes_its_folder_away_is_told_until_it_goes(
    folder: Path, path: Path
) -> None:
    with serving(path) as server:
        path.unlink()
        path.write_text("mine")
        eventually(lambda: "move away what lies at that path" in server.troubles.get("control", ""))
        assert path.read_text() == "mine"
        path.unlink()
        eventually(lambda: reached(path))
        folder.rename(away := folder.with_suffix(".away"))
        eventually(lambda: "No such file or directory" in server.troubles.get("control", ""))
        away.rename(folder)
        eventually(lambda: reached(path))


def test_a_folder_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(SocketUnavailable, match="No such file or directory"):
        ControlSocket(folder / "absent" / "control.sock", VERBS)


def test_a_state_directory_too_long_for_a_socket_is_told_at_the_start(folder: Path) -> None:
    room = 107 - len(f"{folder}//control.sock")
    fits, too_long = folder / ("x" * room), folder / ("é" * (room // 2 + 1))
    fits.mkdir()
    too_long.mkdir()
    with serving(fits / "control.sock"):
        assert ask_control(fits / "control.sock", "echo") == {"heard": {}}
    with pytest.raises(
        SocketUnavailable, match=r"too long .* and may have 107: set a shorter one with the key"
    ):
        ControlSocket(too_long / "control.sock", VERBS)


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


@as_root
def test_a_member_of_the_group_is_let_in_and_logged(served: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="autoscaler")
    os.chown(served, -1, 54321)
    assert ask_as_nobody(served, 54320, 54321) == "{'heard': {}}\n"
    assert f"uid {NOBODY} (process " in caplog.text
    assert "asks for echo" in caplog.text


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        pytest.param(b"", "gave no answer: see in its log whether it was stopped", id="hangs up"),
        pytest.param(
            b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no control socket of an autoscaler", id="no JSON"
        ),
        pytest.param(b"[]\n", "is no control socket of an autoscaler", id="no object"),
        pytest.param(b'{"return": {}}\n', "is no control socket of an autoscaler", id="another protocol"),
        pytest.param(None, "did not answer within 0.3 s", id="silence"),
    ],
)
def test_a_socket_of_something_else_is_told_so(
    path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, sentence: str
) -> None:
    monkeypatch.setattr(control_client, "_PATIENCE_S", 0.3 if answer is None else 20.0)
    over = threading.Event()

    def stand_in(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            if answer is None:
                over.wait(20)
            else:
                connection.sendall(answer)

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(os.fspath(path))
        listener.listen()
        thread = threading.Thread(target=stand_in, args=(listener,))
        thread.start()
        with pytest.raises(ControlUnreachable, match=sentence):
            ask_control(path, "echo")
        over.set()
        thread.join()


def test_a_service_that_does_not_run_is_told_with_where_it_was_looked_for(path: Path) -> None:
    with pytest.raises(ControlUnreachable, match=rf"{path}.*`autoscaler run`.*--config.file FILE"):
        ask_control(path, "echo")


class Still:
    """Stands where the controller does, and wants nothing."""

    def settle(self) -> float | None:
        return None


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A controller's thread that runs."""
    inbox = Inbox(SystemClock(), dict.fromkeys(Lane, 1))
    thread = threading.Thread(target=inbox.run, args=(Still(),), name="controller")
    thread.start()
    yield inbox
    inbox.stop()
    thread.join()
    inbox.close()


def test_a_call_runs_on_the_controllers_thread_and_its_result_comes_back(inbox: Inbox) -> None:
    assert on_controller(inbox, lambda: threading.current_thread().name, 20) == "controller"


def test_an_error_of_the_call_comes_back_and_the_controller_goes_on(inbox: Inbox) -> None:
    def fail() -> None:
        raise Conflict("not as expected")

    with pytest.raises(Conflict, match="not as expected"):
        on_controller(inbox, fail, 20)
    with pytest.raises(AutoscalerError, match="internal error: ZeroDivisionError"):
        on_controller(inbox, lambda: 1 // 0, 20)
    assert on_controller(inbox, lambda: 5, 20) == 5


def test_a_call_that_the_controller_did_not_get_to_is_never_made(inbox: Inbox) -> None:
    over, calls = threading.Event(), list[int]()

    def hang() -> None:
        over.wait(20)

    inbox.post(hang)
    with pytest.raises(ControllerBusy, match="has done nothing: ask again"):
        on_controller(inbox, lambda: calls.append(1), 0.1)
    over.set()
    assert on_controller(inbox, lambda: 5, 20) == 5
    assert calls == []


def test_a_call_that_was_begun_is_waited_for_and_then_its_outcome_is_unknown(inbox: Inbox) -> None:
    over = threading.Event()
    with pytest.raises(OutcomeUnknown, match="begun and not ended"):
        on_controller(inbox, lambda: over.wait(20), 0.1)
    over.set()
