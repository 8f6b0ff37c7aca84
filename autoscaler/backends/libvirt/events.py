"""libvirt's events as `DomainEvent`: hints that make the next look come sooner, never facts.

libvirt tells nothing while a connection is down, and nothing when a vCPU was added; the sweep finds what was
missed. Callbacks run on libvirt's one event loop, so a listener must return at once.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.backends.libvirt.description import owner_of
from autoscaler.backends.libvirt.metadata import NAMESPACE
from autoscaler.core.model import DomainEvent, DomainEventKind, DomainId

if TYPE_CHECKING:
    from collections.abc import Callable

_LIFECYCLE = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: DomainEventKind.STARTED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED: DomainEventKind.STOPPED,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: DomainEventKind.CHANGED,
    libvirt.VIR_DOMAIN_EVENT_RESUMED: DomainEventKind.CHANGED,
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: DomainEventKind.CHANGED,
    # The guest has ended but its domain may be kept (on_crash, -no-shutdown): STOPPED follows when it goes.
    libvirt.VIR_DOMAIN_EVENT_SHUTDOWN: DomainEventKind.CHANGED,
    libvirt.VIR_DOMAIN_EVENT_CRASHED: DomainEventKind.CHANGED,
}
"""What is not here (a definition changed) says nothing about a running guest."""


class EventFeed:
    """The events of one host connection, through however many reconnects."""

    def __init__(self, host: str, *, metadata_changed: Callable[[str | None], None]) -> None:
        """Start without listeners.

        Args:
            host: the `host` of every `DomainId` that is told of.
            metadata_changed: called before the listeners with the UUID of a domain whose labels changed, and
                with None when those of any may have: nothing was heard until now.
        """
        self._host = host
        self._metadata_changed = metadata_changed
        self._listeners: tuple[Callable[[DomainEvent], None], ...] = ()
        self._callbacks: list[int] = []

    def subscribe(self, listener: Callable[[DomainEvent], None]) -> None:
        """Call `listener` on libvirt's event loop from now on."""
        self._listeners = (*self._listeners, listener)

    def attach(self, connection: libvirt.virConnect) -> None:
        """Ask a fresh connection for its events.

        Raises:
            libvirtError: it broke, or forbids listening.
        """
        for event, callback in (
            (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle),
            (libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, self._rebooted),
            (libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE, self._changed),
            (libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, self._agent),
            (libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, self._metadata),
        ):
            self._callbacks.append(connection.domainEventRegisterAny(None, event, callback, None))
        vcpu_removed = getattr(libvirt, "VIR_DOMAIN_EVENT_ID_VCPU_REMOVED", None)  # From 12.4 on.
        if vcpu_removed is not None:
            with suppress(libvirt.libvirtError):
                self._callbacks.append(
                    connection.domainEventRegisterAny(None, vcpu_removed, self._changed, None)
                )
        self._metadata_changed(None)

    def detach(self, connection: libvirt.virConnect) -> None:
        """Stop listening; each callback left behind would keep the connection open for ever."""
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            with suppress(libvirt.libvirtError):
                connection.domainEventDeregisterAny(callback)

    def changed(self, domain: libvirt.virDomain) -> None:
        """Tell the listeners to look at a domain again."""
        self._tell(DomainEventKind.CHANGED, domain)

    def _lifecycle(
        self, _connection: object, domain: libvirt.virDomain, event: int, _detail: int, _opaque: object
    ) -> None:
        kind = _LIFECYCLE.get(event)
        if kind is not None:
            self._tell(kind, domain)

    def _rebooted(self, _connection: object, domain: libvirt.virDomain, _opaque: object) -> None:
        self._tell(DomainEventKind.REBOOTED, domain)

    def _changed(self, _connection: object, domain: libvirt.virDomain, *_details: object) -> None:
        self.changed(domain)

    def _agent(
        self, _connection: object, domain: libvirt.virDomain, state: int, _reason: int, _opaque: object
    ) -> None:
        opened = state == libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED
        self._tell(DomainEventKind.AGENT_CONNECTED if opened else DomainEventKind.CHANGED, domain)

    def _metadata(
        self, _connection: object, domain: libvirt.virDomain, kind: int, uri: str | None, _opaque: object
    ) -> None:
        if kind != libvirt.VIR_DOMAIN_METADATA_ELEMENT or uri is None:
            return
        if uri == NAMESPACE or owner_of(uri) is not None:
            self._metadata_changed(domain.UUIDString())
            self._tell(DomainEventKind.CHANGED, domain)

    def _tell(self, kind: DomainEventKind, domain: libvirt.virDomain) -> None:
        event = DomainEvent(kind, DomainId(self._host, domain.UUIDString()))
        for listener in self._listeners:
            listener(event)
