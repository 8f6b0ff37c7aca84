"""What libvirt says of agents, as events: the callbacks are those that a connection was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libvirt
import pytest

from autoscaler.backends.libvirt.events import EventFeed
from autoscaler.core.model import DomainEvent, DomainEventKind, DomainId

if TYPE_CHECKING:
    from collections.abc import Callable

UUID = "5f0c6a52-8b1e-4f6c-9a53-3c1c3e0f7a11"


class Connection:
    """Keeps the callbacks that are registered."""

    def __init__(self) -> None:
        self.callbacks: dict[int, Callable[..., None]] = {}

    def domainEventRegisterAny(  # noqa: N802 - libvirt's name
        self, _domain: None, event: int, callback: Callable[..., None], _opaque: None
    ) -> int:
        self.callbacks[event] = callback
        return event


class Domain:
    def UUIDString(self) -> str:  # noqa: N802 - libvirt's name
        return UUID


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        pytest.param(
            libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED,
            DomainEventKind.AGENT_CONNECTED,
            id="connected",
        ),
        pytest.param(
            libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED,
            DomainEventKind.CHANGED,
            id="disconnected",
        ),
    ],
)
def test_an_agent_that_connects_is_told_apart_from_one_that_goes(state: int, kind: DomainEventKind) -> None:
    feed, connection = EventFeed("here", metadata_changed=lambda _: None), Connection()
    heard: list[DomainEvent] = []
    feed.subscribe(heard.append)
    feed.attach(connection)
    reason = libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL
    connection.callbacks[libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE](
        connection, Domain(), state, reason, None
    )
    assert heard == [DomainEvent(kind, DomainId("here", UUID))]
