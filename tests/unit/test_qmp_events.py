from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from autoscaler.core.model import DomainEvent, DomainEventKind
from tests.fakes.qmp_room import Listener, QmpRoom, only

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def room(tmp_path: Path) -> Iterator[QmpRoom]:
    with QmpRoom(tmp_path) as room:
        yield room


@pytest.mark.parametrize(
    ("event", "data", "expected"),
    [
        pytest.param("RESET", {"guest": True}, DomainEventKind.REBOOTED, id="reboot"),
        pytest.param("SHUTDOWN", {"guest": True}, DomainEventKind.STOPPED, id="shutdown"),
        pytest.param("STOP", None, DomainEventKind.CHANGED, id="pause"),
        pytest.param("RESUME", None, DomainEventKind.CHANGED, id="resume"),
        pytest.param(
            "VSERPORT_CHANGE", {"id": "agent0", "open": True}, DomainEventKind.AGENT_CONNECTED, id="agent"
        ),
        pytest.param(
            "VSERPORT_CHANGE", {"id": "agent0", "open": False}, DomainEventKind.CHANGED, id="no agent"
        ),
        pytest.param(
            "DEVICE_DELETED", {"device": "vcpu1", "path": "/x"}, DomainEventKind.CHANGED, id="unplug"
        ),
    ],
)
def test_what_qemu_reports_reaches_the_listener(
    room: QmpRoom,
    event: str,
    data: dict[str, object] | None,
    expected: DomainEventKind,
) -> None:
    server, listener = room.serve(), Listener()
    hypervisor = room.look(server)
    hypervisor.subscribe(listener)
    domain = only(hypervisor).id
    assert listener.next() == DomainEvent(DomainEventKind.STARTED, domain)

    server.emit(event, data)

    assert listener.next() == DomainEvent(expected, domain)


@pytest.mark.parametrize(
    ("event", "data"),
    [
        pytest.param("VSERPORT_CHANGE", {"id": "load0", "open": True}, id="another port"),
        pytest.param("VSERPORT_CHANGE", {"id": ["agent0"]}, id="a port that is none"),
        pytest.param("VSERPORT_CHANGE", None, id="no port"),
        pytest.param("DEVICE_DELETED", {"path": "/machine/x/lapic"}, id="a vCPU's interrupt controller"),
        pytest.param("RTC_CHANGE", {"offset": 1}, id="nothing of ours"),
    ],
)
def test_what_does_not_matter_is_passed_over(
    room: QmpRoom,
    event: str,
    data: dict[str, object] | None,
) -> None:
    server, listener = room.serve(agent_ports=("agent0", "load0")), Listener()
    hypervisor = room.look(server)
    hypervisor.subscribe(listener)
    domain = only(hypervisor).id
    listener.next()

    server.emit(event, data)
    server.emit("RESET")

    assert listener.next() == DomainEvent(DomainEventKind.REBOOTED, domain)
    assert only(hypervisor).id == domain


def test_a_flood_of_events_is_folded_while_the_listener_is_slow(room: QmpRoom) -> None:
    server, listener, heard = room.serve(), Listener(), threading.Event()
    hypervisor = room.look(server)
    domain = only(hypervisor).id

    def slow(event: DomainEvent) -> None:
        listener(event)
        heard.wait(5)

    hypervisor.subscribe(slow)
    server.emit("RESET", times=3000)
    assert only(hypervisor).id == domain
    heard.set()

    assert 1 <= listener.waiting() <= 3


def test_a_listener_that_fails_does_not_silence_the_others(room: QmpRoom) -> None:
    listener = Listener()

    def broken(_: DomainEvent) -> None:
        raise RuntimeError("broken")

    hypervisor = room.look(room.serve())
    hypervisor.subscribe(broken)
    hypervisor.subscribe(listener)
    domain = only(hypervisor).id

    assert listener.next().domain == domain
