"""One connection to libvirt: opened when first used, opened anew after it broke, never retried in a hurry.

Whoever uses one makes one call at a time on it, and leaves it where a call does not come back (`leave`):
libvirt's client before 10.4 (CVE-2024-4418) ends the process where two calls wait on a connection that
keepalive gives up, once the daemon that hung goes on.

Invariant: `connection` returns a connection that was alive a moment ago or raises; it never sleeps. What
may block is the opening itself, which libvirt does not bound: a daemon that accepts and stays silent holds
the one thread that opens, while the others give up after `OPEN_PATIENCE_S`. Once open, a peer that fell
silent is noticed by keepalive after about `KEEPALIVE_INTERVAL_S` times `KEEPALIVE_COUNT`, and every call on
it then fails.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.backends.libvirt.errors import opening_failed
from autoscaler.backends.libvirt.loop import ensure_event_loop
from autoscaler.errors import BackendUnavailable

if TYPE_CHECKING:
    from autoscaler.ports import Clock

KEEPALIVE_INTERVAL_S = 3
KEEPALIVE_COUNT = 3
OPEN_PATIENCE_S = 5.0

_AGENT_PORT = "org.qemu.guest_agent.0"
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 1.0
"""So that a daemon that is back is found by the next sweep, however long it was away."""

_embedded: dict[tuple[str, bool], libvirt.virConnect] = {}
_opening_embedded = threading.Lock()


def is_alive(connection: libvirt.virConnect) -> bool:
    """Whether a call on the connection could succeed; asks nobody, so it cannot block."""
    try:
        return bool(connection.isAlive())
    except libvirt.libvirtError:
        return False


def is_active(domain: libvirt.virDomain) -> bool:
    """Whether the domain runs or is paused; False also where nobody can say."""
    try:
        return bool(domain.isActive())
    except libvirt.libvirtError:
        return False


def agent_listens(domain: libvirt.virDomain) -> bool:
    """Whether anything in the guest may have its agent channel open; False only where libvirt says no."""
    try:
        described = ET.fromstring(domain.XMLDesc(0))  # noqa: S314 - written by libvirt
    except libvirt.libvirtError:
        return True
    channel = described.find(f"devices/channel/target[@name='{_AGENT_PORT}']")
    return channel is None or channel.get("state") != "disconnected"


def is_embedded(uri: str) -> bool:
    """Whether a URI stands for libvirt's driver inside this process."""
    return urlsplit(uri).path == "/embed"


class Feed(Protocol):
    """Hears what happens on a connection."""

    def attach(self, connection: libvirt.virConnect) -> None:
        """Begin to listen.

        Raises:
            libvirtError: the connection broke, or forbids listening.
        """
        ...

    def detach(self, connection: libvirt.virConnect) -> None:
        """Stop listening."""
        ...


class LibvirtLink:
    """A connection that mends itself; any thread may use it."""

    def __init__(
        self, uri: str, *, clock: Clock, read_only: bool = False, events: Feed | None = None
    ) -> None:
        """Remember how to connect; nothing is opened yet.

        Args:
            uri: any that libvirt takes.
            clock: times the back-off.
            read_only: open without the right to change anything.
            events: fed from this connection, whenever it is up.
        """
        self._uri = uri
        self._clock = clock
        self._read_only = read_only
        self._events = events
        self._opening = threading.Lock()
        self._connection: libvirt.virConnect | None = None
        self._closed = False
        self._failure: BackendUnavailable | None = None
        self._wait_s = _FIRST_WAIT_S
        self._retry_at_s = float("-inf")

    def connection(self) -> libvirt.virConnect:
        """Return the connection, opening it where needed.

        Raises:
            BackendUnavailable: it cannot be opened, or the last failure is too recent to try again.
        """
        connection = self._connection
        if connection is not None and is_alive(connection):
            return connection
        if not self._opening.acquire(timeout=OPEN_PATIENCE_S):
            raise self.stuck()
        try:
            return self._reopened()
        finally:
            self._opening.release()

    def stuck(self) -> BackendUnavailable:
        """What it means that opening takes for ever."""
        return BackendUnavailable(
            f"libvirt at {self._uri} accepts connections but does not answer: is its daemon stuck? "
            f"`systemctl status libvirtd virtqemud`"
        )

    def leave(self) -> None:
        """Have the next call on a connection of its own: one is out on this one, which lives on for it."""
        self._connection = None

    def close(self) -> None:
        """Let go of the connection for good."""
        self._closed = True
        free = self._opening.acquire(timeout=OPEN_PATIENCE_S)
        self._drop()
        if free:
            self._opening.release()

    def _reopened(self) -> libvirt.virConnect:
        if self._closed:
            raise BackendUnavailable(f"the connection to {self._uri} was closed by this service")
        if self._connection is not None and is_alive(self._connection):
            return self._connection
        self._drop()
        if self._failure is not None and self._clock.monotonic_s() < self._retry_at_s:
            raise BackendUnavailable(*self._failure.args)
        ensure_event_loop()
        try:
            return self._set_up()
        except libvirt.libvirtError as error:
            self._drop()
            self._failure = opening_failed(error, self._uri)
            self._retry_at_s = self._clock.monotonic_s() + self._wait_s
            self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
            raise self._failure from error

    def _set_up(self) -> libvirt.virConnect:
        self._connection = connection = _open(self._uri, read_only=self._read_only)
        # Drivers inside this process have no peer to keep alive, and say so.
        with suppress(libvirt.libvirtError):
            connection.setKeepAlive(KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT)
        if self._events is not None:
            self._events.attach(connection)
        self._failure, self._wait_s = None, _FIRST_WAIT_S
        return connection

    def _drop(self) -> None:
        """Let go of the connection, which libvirt-python closes when nobody refers to it any more.

        To close it here, while a call of another thread is out on it, ends the process: that call's answer
        finds its connection freed.
        """
        connection, self._connection = self._connection, None
        if connection is not None and self._events is not None:
            self._events.detach(connection)


def _open(uri: str, *, read_only: bool) -> libvirt.virConnect:
    """Open a connection; one to the embedded driver is opened once, shared, and kept until the process ends.

    With every opening libvirt registers that driver anew, and has room for 16 in a process's life (9.0).

    Raises:
        libvirtError: it cannot be opened.
    """
    opening = libvirt.openReadOnly if read_only else libvirt.open
    if not is_embedded(uri):
        return opening(uri)
    with _opening_embedded:
        if (uri, read_only) not in _embedded:
            _embedded[uri, read_only] = opening(uri)
        return _embedded[uri, read_only]
