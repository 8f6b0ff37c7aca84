"""The file of a socket: made, known again, made anew where it was lost, never taken from anybody."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler.backends.local import server as line_server
from autoscaler.backends.local.bound_socket import SocketUnavailable
from autoscaler.service.control import ControlSocket
from autoscaler.service.control_client import ControlUnreachable, ask_control
from tests.fakes.control_peers import VERBS, eventually, serving


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
