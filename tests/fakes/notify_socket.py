"""Stands where systemd does: takes what a service sends to ``$NOTIFY_SOCKET``."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 20.0


class NotifySocket:
    """A bound datagram socket, and the messages that came to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(PATIENCE_S)

    def message(self) -> dict[str, str]:
        """The next message, waited for, by the names of its lines."""
        lines = self._socket.recv(65536).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def silent(self) -> bool:
        """Whether nothing has come that was not looked at."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(65536, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            self._socket.settimeout(PATIENCE_S)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def notify_socket(folder: Path) -> Iterator[NotifySocket]:
    """A socket for the block."""
    manager = NotifySocket(folder / "notify.sock")
    try:
        yield manager
    finally:
        manager.close()
