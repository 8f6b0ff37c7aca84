"""A guest agent behind a real socket, with a scripted guest behind it and faults on demand.

It serves one connection at a time and leaves others waiting, as QEMU's chardev does, and answers in order.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from autoscaler.backends.address import TcpAddress, UnixAddress
from tests.fakes.scripted_guest import Refusal, ScriptedGuest

if TYPE_CHECKING:
    from autoscaler.backends.address import Address

ANY = "*"
"""In `ScriptedAgent.faults`: every command, the sync included."""
DELIMITER = b"\xff"


class Fault(Enum):
    """What goes wrong with the answer to a command. The command itself is always carried out."""

    SILENT = auto()
    """No answer ever comes."""
    SLOW = auto()
    """The answer takes `ScriptedAgent.slow_s`."""
    LATE = auto()
    """The answer comes right before the one to the next request."""
    HALF = auto()
    """Half of the answer comes."""
    TRICKLE = auto()
    """The answer comes byte by byte, `ScriptedAgent.slow_s` between them."""
    HANGS_UP = auto()
    """The connection ends in the middle of the answer."""
    TWICE = auto()
    """The answer comes twice."""
    NOISE = auto()
    """Many 0xFF come before the answer."""
    WRONG_ID = auto()
    """A sync is answered with another id."""
    ENDLESS = auto()
    """Bytes without end come, none of them 0xFF."""
    HUGE = auto()
    """64 MB come, in one line."""
    GARBAGE = auto()
    DEEP = auto()
    BAD_UTF8 = auto()
    NAN = auto()
    LONG_INT = auto()


_INSTEAD: dict[Fault, Callable[[bytes], bytes]] = {
    Fault.HALF: lambda reply: reply[: len(reply) // 2],
    Fault.HANGS_UP: lambda reply: reply[: len(reply) // 2],
    Fault.TWICE: lambda reply: reply + reply,
    Fault.NOISE: lambda reply: DELIMITER * 1000 + reply,
    Fault.HUGE: lambda _: b"x" * 64 * 1024 * 1024,
    Fault.GARBAGE: lambda _: b"\x00{]garbage\n",
    Fault.DEEP: lambda _: b'{"return": ' + b"[" * 200_000 + b"\n",
    Fault.BAD_UTF8: lambda _: b'{"return": "\xc3\x28"}\n',
    Fault.NAN: lambda _: b'{"return": NaN}\n',
    Fault.LONG_INT: lambda _: b'{"return": ' + b"9" * 5000 + b"}\n",
}
"""What is sent for a reply, where a fault does no more than that."""


@dataclass(kw_only=True)
class ScriptedAgent:
    """The agent of `guest`, listening. Use it as a context manager, or call `start` and `stop`."""

    path: Path | None
    """Of its unix socket; None: a TCP port of this host."""
    guest: ScriptedGuest = field(default_factory=ScriptedGuest)
    slow_s: float = 0.2
    faults: dict[str, Fault] = field(default_factory=dict)
    """Command -> what goes wrong with it, for as long as it stands here."""
    asked: list[str] = field(default_factory=list)
    """Every command that came, syncs left out."""
    requests: int = 0
    """How many came, syncs included."""
    connections: int = 0
    """How many were served so far."""

    def start(self) -> None:
        """Listen and answer."""
        if self.path is None:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self.path))
            self._listener.listen(1)
        self._stopping = threading.Event()
        self._served: socket.socket | None = None
        self._late = b""
        self._thread = threading.Thread(target=self._serve, name="scripted-agent", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hang up and stop listening."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        self._thread.join()
        self._listener.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> Address:
        """Where it listens."""
        if self.path is not None:
            return UnixAddress(str(self.path))
        return TcpAddress("127.0.0.1", self._listener.getsockname()[1])

    def hang_up(self) -> None:
        """End the connection that is being served, and serve the next."""
        served = self._served
        if served is not None:
            with contextlib.suppress(OSError):
                served.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with client:
                self._served = client
                if not self._stopping.is_set():
                    with contextlib.suppress(OSError):
                        self._answer_all(client)
                self._served = None

    def _answer_all(self, client: socket.socket) -> None:
        requests = Requests()
        while chunk := client.recv(65536):
            if DELIMITER in chunk:
                client.sendall(STRAY)
            for request in requests.of(chunk):
                self._answer(client, request["execute"], request.get("arguments", {}))

    def _answer(self, client: socket.socket, command: str, arguments: dict[str, object]) -> None:
        self.requests += 1
        if command != "guest-sync-delimited":
            self.asked.append(command)
        fault = self.faults.get(command, self.faults.get(ANY))
        if fault is Fault.WRONG_ID:
            arguments = {key: value for key, value in arguments.items() if key != "id"} | {"id": -1}
        reply = reply_of(self.guest, command, arguments)
        late, self._late = self._late, b""
        self._send(client, late)
        if fault is None or fault is Fault.WRONG_ID:
            self._send(client, reply)
        else:
            self._send_wrongly(client, reply, fault)

    def _send_wrongly(self, client: socket.socket, reply: bytes, fault: Fault) -> None:
        if fault is Fault.LATE:
            self._late = reply
        elif fault is Fault.SLOW:
            self._stopping.wait(self.slow_s)
            self._send(client, reply)
        elif fault is Fault.TRICKLE:
            for byte in reply:
                self._stopping.wait(self.slow_s)
                self._send(client, bytes([byte]))
        elif fault is Fault.ENDLESS:
            while not self._stopping.is_set():
                self._send(client, b"x" * 65536)
        elif fault in _INSTEAD:
            self._send(client, _INSTEAD[fault](reply))
        if fault is Fault.HANGS_UP:
            client.shutdown(socket.SHUT_RDWR)

    def _send(self, client: socket.socket, data: bytes) -> None:
        if data and not self._stopping.is_set():
            client.sendall(data)


class Requests:
    """Takes apart what a client sends: one request a line, and nothing before a 0xFF."""

    def __init__(self) -> None:
        self._received = b""

    def of(self, chunk: bytes) -> list[dict[str, Any]]:
        """The requests that are whole with this chunk."""
        self._received = (self._received + chunk).rpartition(DELIMITER)[2]
        *lines, self._received = self._received.split(b"\n")
        return [json.loads(line) for line in lines]


def reply_of(guest: ScriptedGuest, command: str, arguments: dict[str, object]) -> bytes:
    """Have the agent of a guest carry out one command; returns its answer as it is sent."""
    try:
        reply = _line({"return": guest.execute(command, arguments)})
    except Refusal as refused:
        reply = _line({"error": refused.reply})
    return DELIMITER + reply if command == "guest-sync-delimited" else reply


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


STRAY = _line({"error": {"class": "GenericError", "desc": "JSON parse error, stray"}})
"""The answer to a 0xFF."""
