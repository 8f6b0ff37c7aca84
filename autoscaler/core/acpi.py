"""What a guest's firmware says of its vCPU slots: the reports of ACPI's ``_OST``, and what they mean.

A guest reports how it dealt with a request to take a vCPU in or to give one back. That is the only way in
which a refusal shows. A guest may also report what nobody asked for, as often as it likes, or nothing.

The codes are those of the ACPI specification, 6.3.5 ``_OST`` (OSPM Status Indication).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_EJECTION = frozenset({0x03, 0x103})
"""Sources: the request of the firmware, and the work of the operating system on it."""
_INSERTION = frozenset({0x00, 0x01, 0x200})
_DONE = 0x00
_EJECTION_IN_PROGRESS = 0x84

_GENERAL = {0x00: "done", 0x01: "failed, for no stated reason", 0x02: "the request was not understood"}
_OF_EJECTION = {
    0x80: "refused: the guest does not support removal",
    0x81: "refused: in use by an application",
    0x82: "refused: busy",
    0x83: "refused: something that depends on it is busy or does not support removal",
    _EJECTION_IN_PROGRESS: "removal in progress",
}
_OF_INSERTION = {
    0x80: "insertion in progress",
    0x81: "its driver could not be loaded",
    0x82: "refused: the guest does not support insertion",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotReport:
    """The last that a guest reported of one slot."""

    source: int
    status: int
    at_s: float
    """`Clock.monotonic_s` when it was heard."""

    @property
    def of_removal(self) -> bool:
        """Whether it answers a request to give the vCPU back."""
        return self.source in _EJECTION

    @property
    def refuses(self) -> bool:
        """Whether the guest says that it will not give the vCPU back."""
        return self.of_removal and self.status not in {_DONE, _EJECTION_IN_PROGRESS}

    @property
    def meaning(self) -> str:
        """The report in words."""
        if self.of_removal:
            about, words = "removal", {**_GENERAL, **_OF_EJECTION}
        elif self.source in _INSERTION:
            about, words = "insertion", {**_GENERAL, **_OF_INSERTION}
        else:
            about, words = f"event {self.source:#x}", _GENERAL
        return f"{about}: {words.get(self.status, f'status {self.status:#x}, which has no meaning')}"


_NO_SLOTS: Mapping[int, SlotReport] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotReports:
    """What one domain's guest has reported since its connection was opened."""

    last: Mapping[int, SlotReport] = field(default_factory=lambda: _NO_SLOTS)
    """The newest report of each slot."""
    taken: int = 0
    """Reports that were looked at."""
    dropped: int = 0
    """Reports that were passed over, since the guest sent more than anybody needs."""


NO_REPORTS = SlotReports()
