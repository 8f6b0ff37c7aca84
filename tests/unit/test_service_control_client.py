"""Who asks at the control socket is told what is there instead of a service."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from autoscaler.service import control_client
from autoscaler.service.control_client import ControlUnreachable, ask_control


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
