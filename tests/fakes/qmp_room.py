"""A host with scripted QEMU processes, and QMP backends that look at them; it all ends with the test."""

from __future__ import annotations

import queue
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from autoscaler.backends.address import UnixAddress
from autoscaler.backends.qmp.guests import GuestList, QmpGuest
from autoscaler.backends.qmp.hypervisor import QmpHypervisor
from tests.fakes.scripted_qmp import ScriptedQmp

if TYPE_CHECKING:
    from pathlib import Path

    from autoscaler.backends.qmp.guests import GuestSource
    from autoscaler.core.model import DomainEvent, DomainView


class MonotonicClock:
    """The machine's clock."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def wall_s(self) -> float:
        return time.time()


TIMEOUT_S = 2.0
"""Of a call: what a busy machine may take to bring an answer, and a hung guest costs a test."""


class Listener:
    """Keeps the events that it is called with."""

    def __init__(self) -> None:
        self._events: queue.Queue[DomainEvent] = queue.Queue()

    def __call__(self, event: DomainEvent) -> None:
        self._events.put(event)

    def next(self) -> DomainEvent:
        return self._events.get(timeout=5)

    def waiting(self) -> int:
        return self._events.qsize()


class QmpRoom:
    """Starts guests in ``FOLDER/NAME/qmp.sock``, and backends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def serve(self, name: str = "web", **behaviour: Any) -> ScriptedQmp:  # noqa: ANN401 - ScriptedQmp's own
        (self.folder / name).mkdir(exist_ok=True)
        server = ScriptedQmp(path=self.folder / name / "qmp.sock", **behaviour)
        return self._stack.enter_context(server)

    def look(self, *servers: ScriptedQmp) -> QmpHypervisor:
        """A backend with these guests, in this order."""
        return self.look_at(GuestList(guest_of(server) for server in servers))

    def look_at(self, guests: GuestSource) -> QmpHypervisor:
        hypervisor = QmpHypervisor(
            label="qmp", guests=guests, clock=MonotonicClock(), sweep_s=0.3, timeout_s=TIMEOUT_S
        )
        self._stack.callback(hypervisor.close)
        return hypervisor


def guest_of(server: ScriptedQmp, *, uuid: str | None = None, agent: str | None = None) -> QmpGuest:
    return QmpGuest(
        name=server.path.parent.name,
        qmp=UnixAddress(str(server.path)),
        uuid=uuid,
        agent=UnixAddress(agent) if agent else None,
    )


def only(hypervisor: QmpHypervisor) -> DomainView:
    """The one domain there is."""
    (view,) = hypervisor.domains()
    return view


def names(hypervisor: QmpHypervisor) -> list[str]:
    return [view.name for view in hypervisor.domains()]


def sweep_until(hypervisor: QmpHypervisor, wanted: list[str]) -> None:
    """Sweep as a service would, until the wanted domains are seen."""
    deadline = time.monotonic() + 5
    while names(hypervisor) != wanted:
        assert time.monotonic() < deadline, dict(hypervisor.troubles())
        time.sleep(0.02)
