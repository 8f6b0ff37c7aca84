"""How long a slot is left alone whose vCPU was asked for in vain: the counterpart of `setbacks` for removals.

A refusal, or a guest that did not follow, is remembered longest, for asking again seldom helps; all else as
`setback` says.

Invariant: a setback of one slot delays no other slot, and no growth, and ends for its own slot only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.backoff import FIRST_S, LONGEST_S
from autoscaler.core.condition import Condition, denied, refused_back
from autoscaler.core.operation import Outcome
from autoscaler.core.setback import Setback

if TYPE_CHECKING:
    from autoscaler.core.deadlines import Deadlines
    from autoscaler.core.model import DomainView
    from autoscaler.core.operation import Operation
    from autoscaler.core.reason import Reason

REFUSED_FIRST_S, REFUSED_LONGEST_S = 60.0, 3600.0
"""Back-off of a slot that the guest does not give back."""
KEPT = frozenset({Outcome.REFUSED, Outcome.STUCK})
"""The outcomes by which a guest keeps a vCPU."""
REMEMBERED = KEPT | {Outcome.DENIED}
"""The outcomes that count over a restart too."""


class SlotSetbacks:
    """Those of one domain's slots."""

    def __init__(self, view: DomainView, deadlines: Deadlines) -> None:
        """`deadlines`: of its host, which what comes true late teaches."""
        self._view = view
        self._deadlines = deadlines
        self._left: dict[int, Setback] = {}
        self._overdue: dict[int, Operation] = {}
        """The removals that were stuck and may still come true."""
        self._trouble: tuple[Condition, str] | None = None
        """What is to be said of the last removal that did not end well."""

    @property
    def conditions(self) -> dict[Condition, str]:
        """What is wrong, with its sentence."""
        return {} if self._trouble is None else dict([self._trouble])

    def obstacle(self, slot: int, now_s: float) -> Reason | None:
        """Why it is too early to ask for the vCPU of this slot; None: it is not."""
        return self._left.get(slot, Setback()).obstacle(now_s)

    def note(self, slot: int, outcome: Outcome, now_s: float) -> None:
        """Leave a slot alone for how a removal ended, of this run or of one before."""
        first_s, longest_s = (REFUSED_FIRST_S, REFUSED_LONGEST_S) if outcome in KEPT else (FIRST_S, LONGEST_S)
        before, who = self._left.get(slot, Setback()), f"{self._view.id.uuid}/{slot}"
        self._left[slot] = before.took(outcome, self._view, who, now_s, first_s=first_s, longest_s=longest_s)

    def took(self, slot: int, operation: Operation, outcome: Outcome, detail: str, now_s: float) -> str:
        """A removal of this run came to such an end; returns what it is to be recorded with."""
        self.note(slot, outcome, now_s)
        if outcome is Outcome.STUCK:
            self._overdue[slot] = operation.ended(outcome)
        if outcome is Outcome.REFUSED:
            wait_s = self._left[slot].failures.until_s - now_s
            detail = refused_back(self._view.name, slot, detail, wait_s)
        if outcome is Outcome.DENIED:
            self._trouble = Condition.DENIED, denied(detail)
        elif outcome is not Outcome.CONFLICT:
            self.blame(detail)
        return detail

    def blame(self, sentence: str) -> None:
        """Have this said of a vCPU that does not come back, in place of what was said before."""
        self._trouble = Condition.NOT_GIVEN_BACK, sentence

    def look(self, view: DomainView) -> None:
        """Let go of the denials whose cause has changed."""
        self._view = view
        for slot, before in self._left.items():
            self._left[slot] = before.seen(view)
            if self._left[slot] is not before and Condition.DENIED in self.conditions:
                self.pass_over()

    def forgive(self, slot: int, now_s: float) -> None:
        """Its vCPU is gone after all."""
        self._left.pop(slot, None)
        self.pass_over()
        if slot in self._overdue:
            self._deadlines.note_late(self._overdue.pop(slot), now_s)

    def pass_over(self) -> None:
        """What went wrong is of no concern now; how long to wait stays as it is."""
        self._trouble = None
