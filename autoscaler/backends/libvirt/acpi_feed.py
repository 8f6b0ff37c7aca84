"""What guests report of their vCPU slots, heard through libvirt's monitor events; it has no event of its own.

libvirt passes QEMU's events on to connections that may write. So they are heard from the first change on that
this service makes or, where a policy in force takes vCPUs back by itself, from the start: a service that only
watches holds no right to change anything. To listen leaves no mark on a domain. To ask QEMU by libvirt what
it knows of the guest's ACPI would (``custom-monitor``), so that is not done: QEMU itself refuses a removal
that comes too early.

Callbacks run on libvirt's one event loop and return at once.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from autoscaler.backends.acpi_reports import ACPI_EVENT, ReportLog
from autoscaler.backends.libvirt.binding import libvirt, libvirt_qemu
from autoscaler.core.acpi import NO_REPORTS, SlotReports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from autoscaler.ports import Clock

_GONE_EVENT = "DEVICE_DELETED"
"""QEMU let go of a device; before 12.4 libvirt has no event of its own for a vCPU."""
_LONGEST = 1024
"""Bytes of an event that is looked at; a report has about 100."""


class AcpiFeed:
    """The reports of one host connection's guests, through however many reconnects."""

    def __init__(self, *, clock: Clock, heard: Callable[[libvirt.virDomain], None]) -> None:
        """Start with none; `heard` is called with a domain that reported, or of which a device left."""
        self._clock = clock
        self._heard = heard
        self._logs: dict[str, ReportLog] = {}
        """By UUID."""
        self._callbacks: list[int] = []

    def attach(self, connection: libvirt.virConnect) -> None:
        """Ask a fresh connection for the reports; a driver without QEMU has none, which is no error."""
        with suppress(libvirt.libvirtError):
            for event, callback in ((ACPI_EVENT, self._reported), (_GONE_EVENT, self._gone)):
                self._callbacks.append(
                    libvirt_qemu.qemuMonitorEventRegister(connection, None, event, callback, None, 0)
                )

    def detach(self, connection: libvirt.virConnect) -> None:
        """Stop listening."""
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            with suppress(libvirt.libvirtError):
                libvirt_qemu.qemuMonitorEventDeregister(connection, callback)

    def of(self, uuid: str) -> SlotReports:
        """What the guest of a domain has reported."""
        log = self._logs.get(uuid)
        return NO_REPORTS if log is None else log.reports

    def all(self) -> Mapping[str, SlotReports]:
        """By UUID, what every guest has reported that reported anything."""
        return {uuid: log.reports for uuid, log in tuple(self._logs.items())}

    def keep_only(self, uuids: Iterable[str]) -> None:
        """Forget the domains that are gone."""
        for gone in self._logs.keys() - set(uuids):
            self._logs.pop(gone, None)

    def _reported(
        self,
        _connection: object,
        domain: libvirt.virDomain,
        _event: str,
        _seconds: int,
        _micros: int,
        details: str,
        _opaque: object,
    ) -> None:
        log = self._logs.setdefault(domain.UUIDString(), ReportLog())
        now_s = self._clock.monotonic_s()
        if not log.has_room(now_s) or len(details) > _LONGEST:
            return
        with suppress(ValueError, RecursionError):
            if log.take(json.loads(details), now_s):
                self._heard(domain)

    def _gone(self, _connection: object, domain: libvirt.virDomain, *_details: object) -> None:
        self._heard(domain)
