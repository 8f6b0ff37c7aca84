"""What a domain's growths and shrinks leave behind that did not end well, and what is to be said of it.

How long each is left alone says `setback`. Conditions tell *denied*, *failed* and *stuck* apart; a *conflict*
is nobody's fault and has none. *Unknown* is no end: the change goes on after a fresh look (`actuation`).

Invariant: a setback delays further changes in its own direction only, and ends for its own direction only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from autoscaler.core.condition import Condition, denied
from autoscaler.core.operation import Direction, Operation, Outcome
from autoscaler.core.setback import Setback

if TYPE_CHECKING:
    from autoscaler.core.deadlines import Deadlines
    from autoscaler.core.model import DomainView
    from autoscaler.core.reason import Reason

_CONDITIONS = {Outcome.DENIED: Condition.DENIED, Outcome.STUCK: Condition.STUCK}
"""What an end is called where it is not simply `Condition.FAILED`."""
_SET_BACK = frozenset({Outcome.DENIED, Outcome.FAILED, Outcome.STUCK, Outcome.CONFLICT})
"""The outcomes of a run before that this one goes on from."""


class Setbacks:
    """Those of one domain's growths and shrinks."""

    def __init__(self, view: DomainView, deadlines: Deadlines) -> None:
        """`deadlines`: of its host, which what comes true late teaches."""
        self._view = view
        self._deadlines = deadlines
        self._left = {Direction.UP: Setback(), Direction.DOWN: Setback()}
        self._failed: dict[Direction, Operation] = {}
        """The last change of each direction, where it did not end well."""
        self._trouble: dict[Direction, tuple[Condition, str]] = {}
        """What is to be said of it."""

    @property
    def conditions(self) -> dict[Condition, str]:
        """What is wrong, each with its sentence; of two alike the newer one."""
        return dict(self._trouble.values()) if self._trouble else {}

    def obstacle(self, direction: Direction, now_s: float) -> Reason | None:
        """Why it is too early for another change of this direction; None: it is not."""
        return self._left[direction].obstacle(now_s)

    def may_bring(self, before: int, after: int) -> bool:
        """Whether a count that goes from one to the other may be a failed change that comes true late."""
        return any(operation.leads(before, after) for operation in self._failed.values())

    def inherit(self, operation: Operation, last_s: float) -> None:
        """Know of a change that a run before made, and when it was last heard of; the oldest comes first.

        What a denial was about is not on record: it stands for the domain as it is now.
        """
        direction, outcome = operation.direction, operation.outcome
        if operation.online_s is not None:
            self._left[direction] = Setback()
            self._failed.pop(direction, None)
        elif outcome in _SET_BACK:
            self._note(direction, outcome, last_s)
            if outcome is not Outcome.CONFLICT:
                self._failed[direction] = operation.delayed()
        else:
            self._left[direction] = replace(self._left[direction], denial=None)

    def took(self, operation: Operation, outcome: Outcome, detail: str, now_s: float) -> None:
        """A change came to such an end."""
        direction = operation.direction
        self._trouble.pop(direction, None)
        self._note(direction, outcome, now_s)
        if outcome is Outcome.CONFLICT:
            return
        sentence = denied(detail) if outcome is Outcome.DENIED else detail
        self.blame(direction, _CONDITIONS.get(outcome, Condition.FAILED), sentence)
        self._failed[direction] = operation.ended(outcome, detail)

    def _note(self, direction: Direction, outcome: Outcome, now_s: float) -> None:
        self._left[direction] = self._left[direction].took(outcome, self._view, self._view.id.uuid, now_s)

    def blame(self, direction: Direction, condition: Condition, sentence: str) -> None:
        """Have this said of a direction, in place of what was said before."""
        self._trouble.pop(direction, None)  # the newest stands last
        self._trouble[direction] = (condition, sentence)

    def look(self, view: DomainView, online: int | None, now_s: float) -> None:
        """Let go of what a fresh look puts right; `online` is None where the guest was not seen."""
        self._view = view
        for direction, before in self._left.items():
            after = before.seen(view)
            if after is before:
                continue
            self._left[direction] = after
            said = self._trouble.get(direction)
            if said is not None and said[0] is Condition.DENIED:
                del self._trouble[direction]
        if online is not None and self._failed:
            for direction in [way for way, failed in self._failed.items() if failed.reached(online)]:
                self.forgive(direction, now_s)

    def forgive(self, direction: Direction, now_s: float) -> bool:
        """The guest went this way after all; returns whether a change had failed to bring it there before."""
        self._left[direction] = Setback()
        self._trouble.pop(direction, None)
        failed = self._failed.pop(direction, None)
        if failed is None:
            return False
        self._deadlines.note_late(failed, now_s)
        return True

    def pass_over(self) -> None:
        """What went wrong on another way is of no concern now; how long to wait stays as it is."""
        self._trouble.clear()
