"""Takes in ``ACPI_DEVICE_OST``, the event by which QEMU passes on what a guest reports of its slots.

Invariant: a guest can send thousands of them in a moment, and what that costs is bounded: one entry a slot,
so many events a second looked at, the rest counted and dropped unread.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from autoscaler.core.acpi import SlotReport, SlotReports

ACPI_EVENT = "ACPI_DEVICE_OST"
"""QEMU's name for it."""
AT_ONCE = 256
"""Events that are looked at however fast they come: a guest reports twice or so for each vCPU of a change."""
PER_S = 16.0
"""How fast that allowance comes back."""
_MOST_SLOTS = 4096
_LONGEST = 6
"""Digits of a slot's number."""
_MOST_CODE = 0xFFFFFFFF


class ReportLog:
    """One domain's reports; any thread may look."""

    def __init__(self) -> None:
        self._reports = SlotReports()
        self._allowance = float(AT_ONCE)
        self._last_s = float("-inf")
        self._taking = threading.Lock()

    @property
    def reports(self) -> SlotReports:
        """What was heard so far."""
        return self._reports

    def has_room(self, now_s: float) -> bool:
        """Whether one more event is to be looked at; one that is not is counted here."""
        with self._taking:
            came_back = PER_S * max(0.0, now_s - self._last_s)
            self._allowance, self._last_s = min(self._allowance + came_back, float(AT_ONCE)), now_s
            if self._allowance < 1.0:
                self._reports = replace(self._reports, dropped=self._reports.dropped + 1)
                return False
            self._allowance -= 1.0
            return True

    def take(self, data: object, now_s: float) -> bool:
        """Note the ``data`` of an event; whether it was about a vCPU."""
        found = _report_in(data, now_s)
        if found is None:
            return False
        slot, report = found
        with self._taking:
            last = {**self._reports.last, slot: report}
            self._reports = replace(self._reports, last=last, taken=self._reports.taken + 1)
        return True


def _report_in(data: object, now_s: float) -> tuple[int, SlotReport] | None:
    info = data.get("info") if isinstance(data, dict) else None
    if not isinstance(info, dict) or info.get("slot-type") != "CPU":
        return None
    slot, source, status = info.get("slot"), info.get("source"), info.get("status")
    if not isinstance(slot, str) or not (slot.isascii() and slot.isdigit() and len(slot) <= _LONGEST):
        return None
    if int(slot) >= _MOST_SLOTS or not (_is_code(source) and _is_code(status)):
        return None
    assert isinstance(source, int)
    assert isinstance(status, int)
    return int(slot), SlotReport(source=source, status=status & 0xFF, at_s=now_s)


def _is_code(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_CODE
