"""Gives QEMU one command over a monitor socket of the lab's own.

QEMU serves one client a socket, and the other monitor of a guest belongs to whoever watches it: the lab must
never stand in the way. So each command here connects, asks and leaves.
"""

from __future__ import annotations

import json
import socket
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST_LINE = 1 << 20


def execute(path: Path, command: str, *, timeout_s: float = 5.0) -> object:
    """Return what QEMU returns for `command`, which takes no arguments.

    Raises:
        OSError: nobody listens at `path`, the answer did not come in time, or QEMU refused.
    """
    with closing(socket.socket(socket.AF_UNIX)) as monitor:
        monitor.settimeout(timeout_s)
        monitor.connect(str(path))
        replies = _replies(monitor)
        next(replies)
        for request in ("qmp_capabilities", command):
            monitor.sendall(json.dumps({"execute": request}).encode() + b"\n")
            reply = next(reply for reply in replies if "event" not in reply)
            if "return" not in reply:
                raise OSError(f"QEMU refused {request}: {reply.get('error')}")
    return reply["return"]


def _replies(monitor: socket.socket) -> Iterator[dict[str, object]]:
    with monitor.makefile("rb") as lines:
        while line := lines.readline(_LONGEST_LINE):
            try:
                reply = json.loads(line)
            except ValueError as error:
                raise OSError("QEMU's monitor says nonsense") from error
            if not isinstance(reply, dict):
                raise OSError("QEMU's monitor says nonsense")
            yield reply
    raise ConnectionError("QEMU closed its monitor")
