"""What goes over a socket of ours: one line of JSON each way, an object both times.

A request is ``{"verb": ..., ...}``; its answer is ``{"ok": true, ...}`` or ``{"error": "one sentence"}``.

Invariant: neither side reads more than it allowed, or waits longer, whatever the other one does.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from autoscaler.backends.agent.deadline import Deadline

_CHUNK = 1 << 16
_NOW_S = 0.001
"""Least timeout of a socket: 0 would mean not to wait, and to fail in another way."""


class _TwiceError(ValueError):
    """Which of the two is meant nobody knows."""


def connect(connection: socket.socket, path: Path, *, patience_s: float) -> None:
    """Connect a fresh unix socket, and stand in line where many wait to be let in.

    Python's own timeout would make the socket one that fails at once where the line is full; this one is the
    kernel's.

    Raises:
        OSError: nobody listens there, or the line did not get shorter in time.
    """
    patience = struct.pack("@ll", int(patience_s), int(patience_s % 1 * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
    connection.connect(os.fsencode(path))


def receive(connection: socket.socket, *, most_bytes: int, until: Deadline) -> dict[str, object]:
    """The object that the other side sends; what it sends after the line is not looked at.

    Raises:
        TimeoutError: the line was not whole in time.
        EOFError: the other side hung up without a word.
        ValueError: what came is no object, has a key twice or is longer than allowed; its text is a part of a
            sentence.
        OSError: the connection broke.
    """
    received = bytearray()
    while b"\n" not in received and len(received) <= most_bytes:
        connection.settimeout(max(until.left_s(), _NOW_S))
        chunk = connection.recv(_CHUNK)
        if not chunk:
            break
        received += chunk
    line = received.partition(b"\n")[0]
    if not line:
        raise EOFError
    if len(line) > most_bytes:
        raise ValueError(f"a line of more than {most_bytes} bytes")
    try:
        message = json.loads(line, object_pairs_hook=each_key_once)
    except _TwiceError:
        raise
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    if not isinstance(message, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - for the caller both are one thing
    return message


def each_key_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON, for `object_pairs_hook`.

    Raises:
        ValueError: it has a key twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError("JSON with a key that stands twice in one object")
    return found


def send(connection: socket.socket, line: bytes, *, until: Deadline) -> None:
    """Send a line.

    Raises:
        TimeoutError: the other side did not take it in time.
        OSError: the connection broke.
    """
    connection.settimeout(max(until.left_s(), _NOW_S))
    connection.sendall(line)


def encoded(message: Mapping[str, object]) -> bytes:
    """The line that stands for an object of plain JSON values."""
    return json.dumps(message).encode() + b"\n"
