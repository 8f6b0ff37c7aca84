"""Tells systemd how the service is: ready, reading its policies again, alive, stopping.

The protocol is sd_notify's: lines in a datagram to the unix socket that ``$NOTIFY_SOCKET`` names; without
that variable nobody is told anything. Invariants: the watchdog is fed by a finished tick and by nothing else;
no message is waited for, so that whoever reads them cannot hold up the service; what could not be told of its
state is told again at the next tick.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from enum import Enum, auto
from typing import TYPE_CHECKING

from autoscaler.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.ports import Clock

_log = logging.getLogger("autoscaler")


class _State(Enum):
    STARTING = auto()
    READY = auto()
    RELOADING = auto()


class Notifier:
    """What the service says to the service manager that started it."""

    def __init__(
        self, environment: Mapping[str, str], *, clock: Clock, status: str, longest_silence_s: float
    ) -> None:
        """Nothing is sent yet.

        Args:
            environment: `os.environ`, for ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``.
            clock: of the system; its monotonic time is told with a reload.
            status: one line that `systemctl status` shows.
            longest_silence_s: how long a service that is well may be without a finished tick. A watchdog that
                is set shorter is lengthened to this.
        """
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._clock = clock
        self._status = status
        self._watchdog_usec = _watchdog_usec(environment)
        self._silence_usec = round(longest_silence_s * 1e6)
        self._ticks = 0
        self._telling = threading.RLock()
        """Signal handlers tell, too."""
        self._is = self._told = _State.STARTING
        """How it is, and what systemd heard of that last."""
        self._unheard = ""
        """The first line of the message that went wrong last; the log has it once."""

    def ticked(self, ticks: int) -> None:
        """So many ticks are finished by now: the first makes the service ready, each feeds the watchdog."""
        if ticks <= self._ticks:
            return
        with self._telling:
            self._ticks = ticks
            if self._is is _State.STARTING:
                self._is = _State.READY
            self._tell(*(() if self._watchdog_usec is None else ("WATCHDOG=1",)))

    def reloading(self) -> None:
        """The policies are about to be read again; may be called from a signal handler."""
        self._becomes(_State.RELOADING)

    def reloaded(self) -> None:
        """They were read, and are in force or not; ends what `reloading` began."""
        self._becomes(_State.READY)

    def stopping(self) -> None:
        """The service ends."""
        self._send("STOPPING=1")

    def _becomes(self, state: _State) -> None:
        with self._telling:
            if self._ticks:
                self._is = state
                self._tell()

    def _tell(self, *more: str) -> None:
        """Tell what has changed, and more; one that systemd does not know to be ready does not reload."""
        state = _State.READY if self._told is _State.STARTING else self._is
        lines = (*(() if state is self._told else self._lines(state)), *more)
        if lines and self._send(*lines):
            self._told = state

    def _lines(self, state: _State) -> tuple[str, ...]:
        if state is _State.RELOADING:
            return ("RELOADING=1", f"MONOTONIC_USEC={round(self._clock.monotonic_s() * 1e6)}")
        if self._told is _State.RELOADING:
            return ("READY=1",)
        status = ("READY=1", f"STATUS={printable(self._status)}")
        if self._watchdog_usec is not None and self._watchdog_usec < self._silence_usec:
            return (*status, f"WATCHDOG_USEC={self._silence_usec}")
        return status

    def _send(self, *lines: str) -> bool:
        """Whether it was sent, or there is nobody to send it to."""
        if not self._address:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(0)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if lines[0] != self._unheard:
                _log.warning("systemd could not be told %s: %s", lines[0], error.strerror)
            self._unheard = lines[0]
            return False
        self._unheard = ""
        return True


def _watchdog_usec(environment: Mapping[str, str]) -> int | None:
    """Microseconds after which systemd ends a silent service; None where it does not watch this one."""
    usec, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) or None
