"""One connection of a line server: whose turn it is, and that it gives way where others wait for its place.

Invariants: what was asked whole is done, and its answer sent to whoever takes it in; only a peer that is
waited for is hung up on, and only while there is nothing of it to be read, or no room for what it is sent.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time


class Conversation:
    """Belongs to the thread that answers; any other may have it end."""

    def __init__(self, connection: socket.socket) -> None:
        """Wait for the request first."""
        self.connection = connection
        self._lock = threading.Lock()
        self._awaited: int | None = select.POLLIN
        """What is waited for of the peer, as `select.poll` has it; None: it is our turn, or all is over."""
        self._since_s = time.monotonic()
        self._gave_way = False

    def take_turn(self) -> None:
        """Go on with the whole request: from now on nobody hangs up.

        Raises:
            ConnectionAbortedError: it has given way before, and was told that nothing is done.
        """
        with self._lock:
            if self._gave_way:
                raise ConnectionAbortedError
            self._awaited = None

    def await_reader(self) -> None:
        """Wait from now on that the peer takes its answer in."""
        with self._lock:
            self._awaited, self._since_s = select.POLLOUT, time.monotonic()

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._awaited = None
            self.connection.close()

    def hang_up(self) -> None:
        """Have its thread end what it does with the peer, whoever's turn it is."""
        with self._lock, contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def give_way(self, patience_s: float, farewell: bytes) -> bool:
        """Hang up on a peer that has been waited for so long; one that has not asked yet is told.

        Returns whether that was so.
        """
        with self._lock:
            if self._awaited is None or time.monotonic() - self._since_s < patience_s or self._stirs():
                return False
            asks_nothing = self._awaited == select.POLLIN
            self._awaited, self._gave_way = None, True
            with contextlib.suppress(OSError):
                if asks_nothing:
                    self.connection.send(farewell, socket.MSG_DONTWAIT)
                self.connection.shutdown(socket.SHUT_RDWR)
            return True

    def _stirs(self) -> bool:
        """Whether its thread can go on, now."""
        assert self._awaited is not None
        stirring = select.poll()
        stirring.register(self.connection, self._awaited)
        return bool(stirring.poll(0))
