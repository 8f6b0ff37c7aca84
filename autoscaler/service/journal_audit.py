"""Tells the audit log of changes, each within the transaction of the journal that records it.

Invariants: no change is in the journal, and so none is begun, whose line the audit log could not take; the
end of one is on record only together with its line; a change has one line for its end in a run. The journal
keeps the newest line's hash, so that the end of the log can be held against it.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autoscaler.core.model import DomainId
from autoscaler.core.operation import Outcome
from autoscaler.service.audit_chain import NOTHING, Head
from autoscaler.service.audit_entries import began, ended

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator

    from autoscaler.core.decision import Decision
    from autoscaler.service.audit_log import AuditLog

_log = logging.getLogger("autoscaler")

_TELL_EVERY = 60
"""Of the flushes of the journal, one a minute: how often the newest line is told in the service's own log."""
_NEVER_BEGUN = "the journal could not be written, so it was never begun"


class JournalAudit:
    """What the journal tells the audit log; nothing where there is none."""

    def __init__(self, log: AuditLog | None) -> None:
        self._log = log
        self._open: set[int] = set()
        """The changes whose end has no line yet, by their decisions."""
        self._saved = NOTHING
        """The newest line that the journal knows of."""
        self._told = NOTHING
        self._flushes = 0

    def take_up(self, db: sqlite3.Connection) -> None:
        """Take in the changes that an earlier run left open, and hold the log's end against the journal.

        Raises:
            sqlite3.Error: the journal cannot be read.
        """
        if self._log is None:
            return
        self._open = {
            row for (row,) in db.execute("SELECT decision_id FROM operations WHERE outcome IS NULL")
        }
        self._saved = head_in(db)
        self._log.expect(self._saved)
        self.tell_head()

    @contextmanager
    def transaction(self, db: sqlite3.Connection) -> Iterator[None]:
        """A transaction of the journal, with the newest line of the log in it."""
        before = set(self._open)
        try:
            with db:
                yield
                head = self._save_head(db)
            self._saved = head
        except BaseException:
            for row in self._open - before:
                # Its line is there already.
                assert self._log is not None
                self._log.note(ended(row, DomainId("", ""), "", Outcome.ABANDONED, _NEVER_BEGUN))
                self._open.discard(row)
            raise

    def began(self, row: int, decision: Decision, digest: str) -> None:
        """A change is about to be begun.

        Raises:
            AuditUnavailable: it must not be.
        """
        if self._log is not None:
            self._log.require(began(row, decision, digest))
            self._open.add(row)

    def ended(self, db: sqlite3.Connection, rows: Collection[int] | None = None) -> None:
        """Tell of those of these changes that are over by the journal; None: of any.

        Raises:
            AuditUnavailable: not of all, and so their ends are not to be on record yet.
        """
        for row in sorted(self._open if rows is None else self._open.intersection(rows)):
            found = db.execute(
                "SELECT host, uuid, decisions.domain, outcome, detail FROM operations"
                " JOIN decisions ON decisions.id = decision_id WHERE decision_id = ?",
                (row,),
            ).fetchone()
            if found is not None and found[3] is None:
                continue
            if found is not None and self._log is not None:
                host, uuid, name, outcome, detail = found
                self._log.require(ended(row, DomainId(host, uuid), name, outcome, detail))
            self._open.discard(row)

    def look_after(self) -> None:
        """Let the log do what is due now and then."""
        if self._log is not None:
            self._log.look_after()
            self._flushes += 1
            if self._flushes % _TELL_EVERY == 0:
                self.tell_head()

    def tell_head(self) -> None:
        """Name the newest line in the service's own log, where whoever writes to this one cannot reach it."""
        if self._log is not None and self._log.head != self._told:
            self._told = self._log.head
            _log.info("audit: the newest line is %s", self._told)

    def _save_head(self, db: sqlite3.Connection) -> Head:
        """Put the newest line on record; returns the one that is."""
        if self._log is None or self._log.head == self._saved:
            return self._saved
        head = self._log.head
        db.execute(
            "INSERT OR REPLACE INTO audit_head (id, seq, hash) VALUES (0, ?, ?)", (head.seq, head.hash)
        )
        return head


def head_in(db: sqlite3.Connection) -> Head:
    """The newest line of the audit log that a journal knows of.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    row = db.execute("SELECT seq, hash FROM audit_head").fetchone()
    return NOTHING if row is None else Head(*row)
