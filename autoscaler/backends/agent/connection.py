"""One socket to one guest agent, in step from its first request to its last.

An agent answers in order and its answers carry no number: after a reply that came too late, every later one
would answer the question before. So a connection begins with guest-sync-delimited (the 0xFF that it asks for
occurs in no valid reply) and ends with the first thing that goes wrong.

Invariant: a connection that `in_step` has had exactly one reply to each request it carried.
"""

from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING, Self

from autoscaler.backends.address import UnixAddress
from autoscaler.backends.agent.wire import REPLY_BYTES, MalformedReply, decode_json, encode_request

if TYPE_CHECKING:
    from autoscaler.backends.address import Address
    from autoscaler.backends.agent.deadline import Deadline

DELIMITER = b"\xff"
SYNC_BYTES = 4 * REPLY_BYTES
"""How much of earlier, unread replies is passed over to find the answer to a sync."""

_SYNC_REPLY_BYTES = 64
_CHUNK_BYTES = 64 * 1024


class FloodedError(Exception):
    """More bytes came than any honest agent sends."""


class AgentConnection:
    """A connected socket that is in step with the agent behind it. Used by one thread at a time."""

    def __init__(self, connected: socket.socket, address: Address) -> None:
        self._socket = connected
        self.address = address
        self._received = bytearray()

    @classmethod
    def open(cls, address: Address, deadline: Deadline) -> Self:
        """Connect, and find the place in the agent's stream from which replies can be believed.

        Raises:
            TimeoutError: nothing answered; or what answered was not the answer to this sync.
            FloodedError: it sent without end.
            OSError: there is no connection to be had, or it ended.
        """
        connection = cls(_connect(address, deadline), address)
        try:
            connection._sync(deadline)
        except BaseException:
            connection.close()
            raise
        return connection

    def in_step(self) -> bool:
        """Whether the other side is still there and has sent nothing that was not asked for."""
        if self._received:
            return False
        self._socket.settimeout(0)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def exchange(self, request: bytes, deadline: Deadline) -> bytes:
        """Send one request and return the line that answers it.

        Raises:
            TimeoutError: no whole line by the deadline.
            FloodedError: the line is over `REPLY_BYTES` long.
            OSError: the connection ended.
        """
        self._send(request, deadline)
        end = -1
        while end < 0:
            searched = len(self._received)
            self._receive(deadline)
            end = self._received.find(b"\n", searched)
            if (end if end >= 0 else len(self._received)) > REPLY_BYTES:
                raise FloodedError
        reply = bytes(self._received[:end])
        del self._received[: end + 1]
        return reply

    def interrupt(self) -> None:
        """End whatever waits on the socket, from any thread; `close` is still to follow."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _sync(self, deadline: Deadline) -> None:
        mark = secrets.randbits(31)
        self._send(DELIMITER + encode_request("guest-sync-delimited", {"id": mark}), deadline)
        passed_over = 0
        while not self._answers_sync(mark):
            passed_over += self._receive(deadline)
            if passed_over > SYNC_BYTES:
                raise FloodedError

    def _answers_sync(self, mark: int) -> bool:
        """Whether the answer has come; forgets what cannot be the beginning of it."""
        line, newline, rest = self._received[self._received.rfind(DELIMITER) + 1 :].partition(b"\n")
        delimited = DELIMITER in self._received
        if not delimited or newline or len(line) > _SYNC_REPLY_BYTES:
            self._received.clear()
        if not delimited or not newline or rest:
            return False
        try:
            return decode_json(bytes(line)) == {"return": mark}
        except MalformedReply:
            return False

    def _send(self, data: bytes, deadline: Deadline) -> None:
        self._wait_at_most(deadline)
        self._socket.sendall(data)

    def _receive(self, deadline: Deadline) -> int:
        self._wait_at_most(deadline)
        chunk = self._socket.recv(_CHUNK_BYTES)
        if not chunk:
            raise ConnectionResetError("the other side hung up")
        self._received += chunk
        return len(chunk)

    def _wait_at_most(self, deadline: Deadline) -> None:
        left_s = deadline.left_s()
        if not left_s:
            raise TimeoutError
        self._socket.settimeout(left_s)


def _connect(address: Address, deadline: Deadline) -> socket.socket:
    left_s = deadline.left_s()
    if not left_s:
        raise TimeoutError
    if not isinstance(address, UnixAddress):
        return socket.create_connection((address.host, address.port), timeout=left_s)
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connecting.settimeout(left_s)
        connecting.connect(address.path)
    except BaseException:
        connecting.close()
        raise
    return connecting
