"""Brings domain events to their listeners, away from the thread that reads the sockets.

Invariant: `put` never blocks and what waits is bounded. An event is a reason to look, so one that still waits
is not queued a second time: a guest that reboots a thousand times in a second costs its listeners one look.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.core.model import DomainEvent

_log = logging.getLogger(__name__)


class EventDelivery:
    """A thread that calls every listener for every event."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[DomainEvent], None]] = []
        self._waiting: dict[DomainEvent, None] = {}
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._deliver, name="qmp-events", daemon=True)
        self._thread.start()

    def subscribe(self, listener: Callable[[DomainEvent], None]) -> None:
        """Call `listener`, from this object's thread, with every event put from now on."""
        with self._changed:
            self._listeners.append(listener)

    def put(self, event: DomainEvent) -> None:
        """Hand over an event, from any thread; one that is already waiting moves to the end."""
        with self._changed:
            self._waiting.pop(event, None)
            self._waiting[event] = None
            self._changed.notify()

    def close(self) -> None:
        """End the thread, once the listener that it is calling has returned; events that wait are dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _deliver(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return
                event = next(iter(self._waiting))
                del self._waiting[event]
                listeners = tuple(self._listeners)
            for listener in listeners:
                try:
                    listener(event)
                except Exception:  # noqa: BLE001 - one bad listener must not silence the others
                    _log.exception("a listener failed on %s of domain %s", event.kind, event.domain.uuid)
