"""What was begun and not followed to its end: closed by what is seen now.

A run of the service before this one began it, or this run before a fault of its own made it take the domain
up anew.

Invariants: such a change is done only when the domain is seen as it asked for; it is abandoned when a look
that comes late enough does not show it, or when another begins in its way before one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from autoscaler.core.operation import Outcome

if TYPE_CHECKING:
    from autoscaler.core.operation import Operation

LATE_S: Final = 60.0
"""What was requested is not expected to come true any more after this time."""
UNFOLLOWED: Final = "the service ended, or took the domain up anew, before this change was over"
_NOT_SEEN: Final = f"{UNFOLLOWED}, and did not find it made afterwards"
OVERTAKEN: Final = f"{UNFOLLOWED}, and began another before it was seen"


class LeftBehind:
    """Those of one domain's growths and shrinks, or of its removals."""

    def __init__(self) -> None:
        self._changes: list[Operation] = []
        """What may still come true; without an outcome while its end is not on record."""
        self._since_s = 0.0
        """When the last of them was added, or something held the domain last."""
        self._held_s = float("-inf")

    def add(self, operation: Operation, now_s: float) -> None:
        """Know of a change whose end nobody saw; the oldest is told first.

        Not only the last one counts: runs may be killed faster than their requests are carried out.
        """
        if operation.outcome is None or now_s - operation.requested_s < LATE_S:
            self._changes.append(operation)
            self._since_s = now_s

    def may_bring(self, before: int, after: int) -> bool:
        """Whether a count that goes from one to the other may be one of these that comes true late."""
        return any(operation.leads(before, after) for operation in self._changes)

    @property
    def open(self) -> bool:
        """Whether there is one whose end is not on record yet."""
        return any(operation.outcome is None for operation in self._changes)

    def look(self, count: int | None, now_s: float, *, held: bool = False) -> list[Operation]:
        """Compare with the vCPUs that are there now, None: not seen; returns the changes that this closes.

        `held`: as for a change under way, see `Actuation.observed`; that time makes none of them older.
        """
        if not self._changes:
            return []
        if held:
            self._since_s = self._held_s = now_s
        closed = []
        for operation in tuple(self._changes):
            since_s = self._since_s if count is None else max(operation.requested_s, self._held_s)
            if count is not None and operation.reached(count):
                closed.append((operation, operation.found_done(count, now_s)))
            elif now_s - since_s >= LATE_S:
                closed.append((operation, operation.ended(Outcome.ABANDONED, _NOT_SEEN)))
        for before, _ in closed:
            self._changes.remove(before)
        return [after for before, after in closed if before.outcome is None]

    def overtake(self) -> list[Operation]:
        """A change begins that is in their way; returns what is closed by that."""
        return self._close_all(OVERTAKEN)

    def abandon(self, why: str) -> list[Operation]:
        """Nobody will see what becomes of them; returns what is closed by that."""
        return self._close_all(why)

    def _close_all(self, why: str) -> list[Operation]:
        """Close those on record as open; what they asked for may come true all the same."""
        closed = []
        for place, operation in enumerate(self._changes):
            if operation.outcome is None:
                self._changes[place] = operation.ended(Outcome.ABANDONED, why)
                closed.append(self._changes[place])
        return closed
