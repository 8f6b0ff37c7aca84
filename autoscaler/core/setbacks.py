"""What changes leave behind that did not end well, and how long each kind of failure is left alone.

* *denied*: until what the refusal was about, the plugged vCPUs or the maximum, is another; 5 minutes at most;
* *failed*, *stuck*: exponentially longer, with jitter; either way a condition says what is wrong;
* *conflict*: not at all, for what is needed is decided anew on what is there;
* *unknown* is no end: the change goes on after a fresh look (`actuation`).

Invariant: a setback delays further changes in its own direction only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.backoff import LONGEST_S, BackOff
from autoscaler.core.condition import Condition
from autoscaler.core.operation import Direction, Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.core.model import DomainView

LATE_S = 60.0
"""A change that a run before left behind is over after this time, seen or not."""


class Setbacks:
    """Those of one domain's growths and shrinks."""

    def __init__(self, view: DomainView) -> None:
        self._view = view
        self._back_off = {Direction.UP: BackOff(), Direction.DOWN: BackOff()}
        self._denied_at: tuple[int, int] | None = None
        self._failed: dict[Direction, Operation] = {}
        """The last change of each direction, where it did not end well."""
        self._left_behind: list[Operation] = []
        """What runs before began and did not see the end of, while it may still come true."""
        self._trouble: dict[Direction, tuple[Condition, str]] = {}
        """What is to be said of it."""

    @property
    def conditions(self) -> Mapping[Condition, str]:
        """What is wrong, each with its sentence; of two alike the newer one."""
        return dict(self._trouble.values())

    def wait(self, direction: Direction, now_s: float) -> bool:
        """Whether it is too early for another change of this direction."""
        return self._back_off[direction].waiting(now_s)

    def may_bring(self, before: int, after: int) -> bool:
        """Whether a count that goes from one to the other may be a failed change that comes true late."""
        late = (*self._failed.values(), *self._left_behind)
        return any(operation.leads(before, after) for operation in late)

    def inherit(self, operation: Operation, last_s: float, now_s: float) -> None:
        """Know of a change that a run before made, and when it was last heard of; the oldest comes first."""
        direction, outcome = operation.direction, operation.outcome
        if operation.online_s is not None:
            self._back_off[direction] = BackOff()
        elif outcome in {Outcome.FAILED, Outcome.STUCK}:
            self._back_off[direction] = self._back_off[direction].failed(self._view.id.uuid, last_s)
        if outcome in {None, Outcome.ABANDONED}:
            # Not only the last one: runs may be killed faster than their requests are carried out.
            self._left_behind.append(operation)
            self._forget_late(None, now_s)

    def took(self, operation: Operation, outcome: Outcome, detail: str, now_s: float) -> None:
        """A change came to such an end."""
        direction = operation.direction
        self._trouble.pop(direction, None)
        if outcome is Outcome.CONFLICT:
            return
        if outcome is Outcome.DENIED:
            self._denied_at = (self._view.plugged, self._view.maximum)
            back_off = BackOff(self._back_off[direction].failures + 1, now_s + LONGEST_S)
        else:
            back_off = self._back_off[direction].failed(self._view.id.uuid, now_s)
        self._back_off[direction] = back_off
        self.blame(direction, Condition.STUCK if outcome is Outcome.STUCK else Condition.FAILED, detail)
        self._failed[direction] = operation

    def blame(self, direction: Direction, condition: Condition, sentence: str) -> None:
        """Have this said of a direction, in place of what was said before."""
        self._trouble.pop(direction, None)  # the newest stands last
        self._trouble[direction] = (condition, sentence)

    def look(self, view: DomainView, online: int | None, now_s: float) -> None:
        """Let go of what a fresh look puts right; `online` is None where the guest was not seen."""
        self._view = view
        if self._denied_at is not None and self._denied_at != (view.plugged, view.maximum):
            self._denied_at = None
            self._back_off = dict.fromkeys(self._back_off, BackOff())
        if online is not None:
            for direction in [way for way, failed in self._failed.items() if failed.reached(online)]:
                self.forgive(direction)
        if self._left_behind:
            self._forget_late(online, now_s)

    def _forget_late(self, online: int | None, now_s: float) -> None:
        self._left_behind = [
            left
            for left in self._left_behind
            if now_s - left.requested_s < LATE_S and not (online is not None and left.reached(online))
        ]

    def forgive(self, direction: Direction) -> None:
        """The guest went this way after all."""
        self._back_off[direction] = BackOff()
        self._failed.pop(direction, None)
        self._trouble.pop(direction, None)

    def pass_over(self) -> None:
        """What went wrong on another way is of no concern now; how long to wait stays as it is."""
        self._trouble.clear()
