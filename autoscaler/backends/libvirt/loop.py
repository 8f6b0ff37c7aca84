"""The event loop that libvirt needs for events, keepalive and the embedded driver.

Invariant: it is registered once per process and before any connection is opened; a connection opened earlier
would never see an event, and the embedded driver would not start a guest.
"""

from __future__ import annotations

import threading

from autoscaler.backends.libvirt.binding import libvirt

_starting = threading.Lock()
_started = threading.Event()


def ensure_event_loop() -> None:
    """Register libvirt's own event loop and run it on a thread that ends with the process."""
    with _starting:
        if _started.is_set():
            return
        # libvirt prints each error to stderr besides raising it.
        libvirt.registerErrorHandler(_ignore, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run, name="libvirt-events", daemon=True).start()
        _started.set()


def _ignore(_context: object, _error: object) -> None:
    pass


def _run() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
