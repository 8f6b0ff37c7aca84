"""What became of a change that the actuator did not answer: it may be done, or it never heard of it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from autoscaler.backends.actuator.client import ActuatorClient
from autoscaler.backends.actuator.protocol import Reading, Verb
from autoscaler.backends.local.peer import Peer
from autoscaler.backends.local.server import LineServer
from autoscaler.core.model import DomainId
from autoscaler.errors import AutoscalerError, BackendUnavailable, Conflict, OutcomeUnknown

WEB = DomainId("qemu:///system", "7b8f4c3e-58d2-4b6d-9d1c-0a5f6f3b2a10")


class Actuator:
    """A listener that treats one connection as the test says."""

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(os.fspath(path))
        self.listener.listen()

    def does(self, treat: Callable[[socket.socket], None]) -> None:
        def serve() -> None:
            connection, _ = self.listener.accept()
            with connection:
                treat(connection)

        threading.Thread(target=serve, daemon=True).start()

    def answers(self, **answer: object) -> None:
        def treat(connection: socket.socket) -> None:
            connection.recv(4096)
            connection.sendall(json.dumps(answer).encode() + b"\n")

        self.does(treat)


@pytest.fixture
def actuator(tmp_path: Path) -> Iterator[Actuator]:
    actuator = Actuator(tmp_path / "socket")
    yield actuator
    actuator.listener.close()


@pytest.fixture
def client(tmp_path: Path) -> ActuatorClient:
    return ActuatorClient(tmp_path / "socket", asked=lambda *_: None, refused=lambda _: None)


def became_of_a_change(client: ActuatorClient) -> type[AutoscalerError]:
    with pytest.raises(AutoscalerError) as raised:
        client.change(Verb.PLUG, WEB, expect=1, target=2)
    return raised.type


def wait_for_a_request(connection: socket.socket) -> None:
    connection.recv(1, socket.MSG_PEEK)


def test_a_change_is_not_done_where_the_actuator_ends_before_it_lets_anybody_in(
    actuator: Actuator, client: ActuatorClient
) -> None:
    ending = threading.Timer(0.2, actuator.listener.close)
    ending.start()
    assert became_of_a_change(client) is BackendUnavailable
    ending.join()


def test_a_change_is_not_done_where_the_actuator_ends_before_it_reads(
    actuator: Actuator, client: ActuatorClient
) -> None:
    actuator.does(wait_for_a_request)
    assert became_of_a_change(client) is BackendUnavailable


def test_a_change_is_not_done_where_the_actuator_hangs_up_before_it_is_asked(
    actuator: Actuator, client: ActuatorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_connect = socket.socket.connect

    def connect(connection: socket.socket, address: bytes) -> None:
        really_connect(connection, address)
        actuator.listener.accept()[0].close()

    monkeypatch.setattr(socket.socket, "connect", connect)
    assert became_of_a_change(client) is BackendUnavailable


@pytest.mark.parametrize("says", [b"", b'{"o', b"[]\n"], ids=["nothing", "half an answer", "no answer"])
def test_a_change_may_be_done_where_the_actuator_ends_after_it_read(
    actuator: Actuator, client: ActuatorClient, says: bytes
) -> None:
    def treat(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(says)

    actuator.does(treat)
    assert became_of_a_change(client) is OutcomeUnknown


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param({"error": "others waited"}, BackendUnavailable, id="not looked at"),
        pytest.param({"error": "not as expected", "kind": "Conflict"}, Conflict, id="refused"),
        pytest.param({"error": "internal error", "kind": "KeyError"}, OutcomeUnknown, id="of no known kind"),
        pytest.param({"very": "well"}, OutcomeUnknown, id="neither done nor refused"),
    ],
)
def test_a_change_that_is_answered_is_done_as_far_as_the_answer_says(
    actuator: Actuator, client: ActuatorClient, answer: dict[str, object], kind: type[AutoscalerError]
) -> None:
    actuator.answers(**answer)
    assert became_of_a_change(client) is kind


def test_nothing_is_unknown_of_what_was_only_to_be_read(actuator: Actuator, client: ActuatorClient) -> None:
    actuator.answers(error="internal error", kind="KeyError")
    with pytest.raises(BackendUnavailable):
        client.read(Reading.REPORTS)


@contextlib.contextmanager
def listening(
    path: Path, answer: Callable[[Mapping[str, object], Peer], Mapping[str, object]], *, admits: bool
) -> Iterator[None]:
    """The actuator's own server, which answers so and lets everybody in, or nobody."""
    server = LineServer(
        path,
        answer,
        name="actuator",
        set_by="--socket",
        admits=lambda _: admits,
        refusal="nobody may ask",
        most_request_bytes=4096,
        most_at_once=2,
    )
    server.start()
    try:
        yield
    finally:
        server.close()


def test_a_change_that_fails_as_nobody_foresaw_may_be_done(tmp_path: Path, client: ActuatorClient) -> None:
    def fail(_request: Mapping[str, object], _peer: Peer) -> Mapping[str, object]:
        raise ZeroDivisionError

    with listening(tmp_path / "socket", fail, admits=True):
        assert became_of_a_change(client) is OutcomeUnknown


def test_a_change_is_not_done_where_the_actuator_lets_nobody_in(
    tmp_path: Path, client: ActuatorClient
) -> None:
    with listening(tmp_path / "socket", lambda *_: {"ok": None}, admits=False):
        assert became_of_a_change(client) is BackendUnavailable
