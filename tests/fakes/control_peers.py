"""A control socket with verbs that tell what they heard, and those who speak to it byte by byte."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from autoscaler.backends.local.peer import Peer
from autoscaler.errors import Conflict
from autoscaler.service import control
from autoscaler.service.control import ControlSocket


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


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder that everybody may pass through, with a short name."""
    folder = Path(tempfile.mkdtemp(prefix="ctl-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def serving(path: Path, verbs: Mapping[str, control.Verb] = VERBS) -> Iterator[ControlSocket]:
    server = ControlSocket(path, verbs)
    server.start()
    try:
        yield server
    finally:
        server.close()


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
