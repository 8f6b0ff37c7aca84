"""How long a slot is left alone whose vCPU was asked for in vain: the counterpart of `setbacks` for removals.

A refusal, or a guest that did not follow, is remembered longest, for asking again seldom helps; a denial ends
when what it was about is another; a conflict is no setback at all.

Invariant: a setback of one slot delays no other slot, and no growth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.backoff import LONGEST_S, BackOff
from autoscaler.core.operation import Outcome

if TYPE_CHECKING:
    from autoscaler.core.model import DomainView

REFUSED_FIRST_S, REFUSED_LONGEST_S = 60.0, 3600.0
"""Back-off of a slot that the guest does not give back."""
KEPT = frozenset({Outcome.REFUSED, Outcome.STUCK})
"""The outcomes by which a guest keeps a vCPU."""


class SlotSetbacks:
    """Those of one domain's slots."""

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid
        self._back_off: dict[int, BackOff] = {}
        self._denied_at: tuple[int, int] | None = None

    def wait(self, slot: int, now_s: float) -> bool:
        """Whether it is too early to ask for the vCPU of this slot."""
        back_off = self._back_off.get(slot)
        return back_off is not None and back_off.waiting(now_s)

    def took(self, slot: int, outcome: Outcome, view: DomainView, now_s: float) -> float:
        """A removal came to such an end; returns in how many seconds the slot may be asked for again."""
        before, who = self._back_off.get(slot, BackOff()), f"{self._uuid}/{slot}"
        if outcome in KEPT:
            back_off = before.failed(who, now_s, first_s=REFUSED_FIRST_S, longest_s=REFUSED_LONGEST_S)
        elif outcome is Outcome.DENIED:
            self._denied_at = (view.plugged, view.maximum)
            back_off = BackOff(before.failures + 1, now_s + LONGEST_S)
        elif outcome is Outcome.CONFLICT:
            return 0.0
        else:
            back_off = before.failed(who, now_s)
        self._back_off[slot] = back_off
        return back_off.until_s - now_s

    def look(self, view: DomainView) -> None:
        """Let go of a denial whose cause has changed."""
        if self._denied_at is not None and self._denied_at != (view.plugged, view.maximum):
            self._denied_at, self._back_off = None, {}

    def forgive(self, slot: int) -> None:
        """Its vCPU is gone after all."""
        self._back_off.pop(slot, None)
