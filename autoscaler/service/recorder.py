"""Keeps the service going when its journal cannot be written: says so, and tells what was not recorded.

Invariant: a failure to record is never silent; it is a trouble of the snapshot until an entry succeeds again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from autoscaler.errors import AuditUnavailable, JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainId
    from autoscaler.core.operation import Operation
    from autoscaler.core.orders import Order
    from autoscaler.ports import Journal, Kept

T = TypeVar("T")


class Recorder:
    """A journal that does not raise, but for `orders`, which is asked once at the start."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._troubles: Mapping[str, str] = {}
        self._newest = 0
        """The highest id that a decision was given."""

    @property
    def troubles(self) -> Mapping[str, str]:
        """Why the last entry could not be written; empty where it was."""
        return self._troubles

    def decided(self, decision: Decision, *, wall_s: float, digest: str) -> int:
        """Record a decision and return its id; 0: it could not be recorded, and so must not be acted on."""
        try:
            row = self._journal.decided(decision, wall_s=wall_s, digest=digest)
        except JournalUnavailable as error:
            self._failed(error)
            return 0
        if row > self._newest:
            # Else it was folded into an entry that was there: nothing is known of the trouble.
            self._newest, self._troubles = row, {}
        return row

    def ended(self, operation: Operation) -> None:
        """Record how an operation ended."""
        self._attempt(lambda: self._journal.ended(operation))

    def ordered(self, order: Order) -> bool:
        """Record an administrator's order; returns whether it could be."""
        return self._done(lambda: self._journal.ordered(order))

    def order_ended(self, domain: DomainId) -> bool:
        """Record that the order for a domain stands no more; returns whether it could be."""
        # Where there was nothing to delete nothing was written: that it went says nothing of the journal.
        return self._done(lambda: self._journal.order_ended(domain), writes=False)

    def orders(self) -> Sequence[Order]:
        """Every order on record.

        Raises:
            JournalUnavailable: they cannot be read. One of them may be to begin nothing at all.
        """
        return self._journal.orders()

    def keep(
        self,
        domain: DomainId,
        learned: Callable[[], Mapping[str, object]],
        *,
        wall_s: float,
        at_once: bool = False,
    ) -> None:
        """Remember what was learned of a domain; `at_once`: on the disk now."""
        self._attempt(
            lambda: self._journal.keep(domain, learned, wall_s=wall_s, at_once=at_once), writes=at_once
        )

    def kept(self, domain: DomainId) -> Kept | None:
        """What was last kept of a domain; None, too, where it could not be read."""
        return self._attempt(lambda: self._journal.kept(domain), writes=False)

    def growths_s(self, host: str, most: int) -> Sequence[float]:
        """How long the newest growths of one host took; none where it could not be read."""
        return self._attempt(lambda: self._journal.growths_s(host, most), writes=False) or ()

    def changes(
        self, domain: DomainId, *, now_s: float, wall_s: float, within_s: float
    ) -> Sequence[Operation]:
        """The changes of a domain that were begun of late; none where they could not be read."""
        found = self._attempt(
            lambda: self._journal.changes(domain, now_s=now_s, wall_s=wall_s, within_s=within_s),
            writes=False,
        )
        return found or ()

    def flush(self) -> None:
        """Put on disk what has only been counted or collected."""
        self._attempt(self._journal.flush)

    def _done(self, entry: Callable[[], None], *, writes: bool = True) -> bool:
        def done() -> bool:
            entry()
            return True

        return self._attempt(done, writes=writes) or False

    def _attempt(self, entry: Callable[[], T], *, writes: bool = True) -> T | None:
        """`writes`: whether it is known, where this succeeds, that the journal can be written."""
        try:
            result = entry()
        except JournalUnavailable as error:
            self._failed(error)
            return None
        if writes:
            self._troubles = {}
        return result

    def _failed(self, error: JournalUnavailable) -> None:
        if not isinstance(error, AuditUnavailable):  # the audit log tells its own trouble
            self._troubles = {"journal": str(error)}
