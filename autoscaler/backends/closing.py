"""Lets go of the connections to hosts when a process ends, within a few seconds whatever hangs.

To close a connection means to speak to its daemon, and one that hangs answers only when keepalive gives it
up. Nothing is lost by leaving it: the kernel closes its socket when the process ends.

Invariant: a host that hangs keeps neither the process from ending nor another host's connections open.
"""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.ports import Clock

_log = logging.getLogger("autoscaler")

PATIENCE_S = 3.0
"""For all hosts together."""


class HostClosing:
    """What is to be closed of each host, in the reverse order of its opening."""

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing; `clock` tells when to wait no longer."""
        self._clock = clock
        self._opened: dict[str, ExitStack] = {}

    def of(self, label: str) -> ExitStack:
        """Where what is opened for a host is put."""
        return self._opened.setdefault(label, ExitStack())

    def close(self) -> None:
        """Close it all, each host on a thread of its own, and leave behind what does not end in time."""
        closing = {
            label: threading.Thread(target=opened.close, name=f"close-{label}", daemon=True)
            for label, opened in self._opened.items()
        }
        for thread in closing.values():
            thread.start()
        end_s = self._clock.monotonic_s() + PATIENCE_S
        for label, thread in closing.items():
            thread.join(max(0.0, end_s - self._clock.monotonic_s()))
            if thread.is_alive():
                _log.warning("%s does not answer: its connections are left to end with this process", label)
