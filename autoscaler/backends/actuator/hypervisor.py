"""The host side of a connection whose guests are changed by the actuator.

Through libvirt the domains are seen by read-only connections of our own; QEMU knows no reading without
writing, so that the actuator alone speaks to it and its domains come from there.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from autoscaler.backends.actuator.guests import expected
from autoscaler.backends.actuator.protocol import Reading, Verb
from autoscaler.core.acpi import NO_REPORTS, SlotReports
from autoscaler.core.model import DomainEvent, DomainEventKind
from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.backends.actuator.client import ActuatorClient
    from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor
    from autoscaler.core.model import DomainId, DomainView

_REPORTS_PATIENCE_S = 2.0
"""So long a sweep waits for what guests' firmware reported; what was known stands meanwhile."""


class _Actuated:
    """What the actuator does for either kind of connection."""

    def __init__(self, client: ActuatorClient) -> None:
        self._client = client

    def plug(self, domain: DomainId, *, expect: int, target: int) -> None:
        """Hot-add vCPUs until `target` are plugged; see `Hypervisor.plug`.

        Raises:
            ValueError: `target` is below `expect`; this never removes.
        """
        if target < expect:
            raise ValueError(f"plug only adds vCPUs: {target} is below {expect}")
        self._client.change(Verb.PLUG, domain, expect=expect, target=target)

    def unplug(self, domain: DomainId, *, expect: int, target: int) -> int | None:
        """Ask for one vCPU back, highest slot first; see `Hypervisor.unplug`."""
        slot = self._client.change(Verb.UNPLUG, domain, expect=expect, target=target)
        return None if slot is None else expected(slot, int)

    def close(self) -> None:
        """Ask the actuator no more; every guest stays as it is."""
        self._client.close()


class ActuatedLibvirt(_Actuated):
    """A `Hypervisor` over libvirt, without a connection that may change anything."""

    def __init__(self, reader: LibvirtHypervisor, client: ActuatorClient) -> None:
        """Take what reads, and the way to the actuator."""
        super().__init__(client)
        self._reader = reader
        self._hears = False
        """Whether what guests' firmware reported is to be taken over."""
        self._heard = False
        """Whether that came about the last time."""
        self._reports: Mapping[str, SlotReports] = {}

    @property
    def label(self) -> str:
        """The connection's name, as in the configuration."""
        return self._reader.label

    def domains(self) -> Sequence[DomainView]:
        """Every active domain; see `LibvirtHypervisor.domains`."""
        views = self._reader.domains()
        if not self._hears:
            return views
        with suppress(AutoscalerError):
            self._read_reports()
        return [replace(view, reports=self._reports.get(view.id.uuid, NO_REPORTS)) for view in views]

    def plug(self, domain: DomainId, *, expect: int, target: int) -> None:
        """Hot-add vCPUs; what guests' firmware says is heard from then on."""
        self._hears = True
        super().plug(domain, expect=expect, target=target)

    def unplug(self, domain: DomainId, *, expect: int, target: int) -> int | None:
        """Ask for one vCPU back; as `plug`."""
        self._hears = True
        return super().unplug(domain, expect=expect, target=target)

    def hear_firmware(self) -> None:
        """Have the actuator listen, and take over what it heard with every sweep from now on.

        Raises:
            BackendUnavailable: it does not hear it, or does not answer.
        """
        self._hears = True
        if not self._heard:
            self._read_reports()

    def troubles(self) -> Mapping[str, str]:
        """Domains of which it was never heard who may govern them."""
        return self._reader.troubles()

    def subscribe(self, listener: Callable[[DomainEvent], None]) -> None:
        """Call `listener` on libvirt's event loop."""
        self._reader.subscribe(listener)

    def close(self) -> None:
        """Let go of the connections; every guest stays as it is."""
        self._reader.close()
        super().close()

    def _read_reports(self) -> None:
        self._heard = False
        found = self._client.read(Reading.REPORTS, host=self.label, patience_s=_REPORTS_PATIENCE_S)
        self._reports = expected(found, MappingProxyType)
        self._heard = True


class ActuatedQmp(_Actuated):
    """A `Hypervisor` over QEMU processes that only the actuator speaks to.

    Of events there are a domain's start and end, as sweeps show them.
    """

    def __init__(self, label: str, client: ActuatorClient) -> None:
        """Take the connection's name, and the way to the actuator."""
        super().__init__(client)
        self._label = label
        self._troubles: Mapping[str, str] = {}
        self._present: frozenset[DomainId] | None = None
        self._listeners: tuple[Callable[[DomainEvent], None], ...] = ()

    @property
    def label(self) -> str:
        """The connection's name, as in the configuration."""
        return self._label

    def domains(self) -> Sequence[DomainView]:
        """Every guest that the actuator sees; see `QmpHypervisor.domains`."""
        found = self._client.read(Reading.DOMAINS, host=self._label)
        views, self._troubles = expected(found, tuple)
        self._tell(frozenset(view.id for view in views))
        return list(views)

    def hear_firmware(self) -> None:
        """Do nothing: the actuator hears it from the first moment on, and tells it with the domains."""

    def troubles(self) -> Mapping[str, str]:
        """Guest name -> why the last sweep did not see it."""
        return self._troubles

    def subscribe(self, listener: Callable[[DomainEvent], None]) -> None:
        """Call `listener`, from the thread that sweeps."""
        self._listeners = (*self._listeners, listener)

    def _tell(self, present: frozenset[DomainId]) -> None:
        before, self._present = self._present, present
        if before is None:
            return
        for kind, those in (
            (DomainEventKind.STARTED, present - before),
            (DomainEventKind.STOPPED, before - present),
        ):
            for domain in those:
                for listener in self._listeners:
                    listener(DomainEvent(kind, domain))
