"""The lasting record, in SQLite: every decision with what it was made on, every operation with its stages.

A decision that repeats the last one of its domain and moves nothing is folded into it: ``until_wall_s``,
``repeats`` and ``newest_inputs`` of the row follow, in memory first and on disk with the next real entry or
`flush`. What was learned of a domain is only collected, and goes to disk with the next real entry of it or
with `flush`, all of it in one transaction: a killed service loses what it learned since, and nothing that it
decided.

Invariants: a decision to act is committed together with the operation that it begins, before the first
action: a killed service finds what it began, and what cannot be written is not begun. The row of an operation
is open until its end was seen, by this run or by a later one. An administrator's order is on the disk, not
only with the kernel, once it was taken; and in the file itself, not only in SQLite's log beside it, of which
one damaged byte costs all that follows: at once, or where a reader is in the way, or the disk is full, with a
`flush` after that.
"""

from __future__ import annotations

import sqlite3
from math import inf
from typing import TYPE_CHECKING

from autoscaler.errors import JournalUnavailable
from autoscaler.service import journal_file, journal_past
from autoscaler.service.history import History
from autoscaler.service.journal_audit import JournalAudit
from autoscaler.service.journal_damage import require_whole
from autoscaler.service.journal_errors import DAMAGE, MOVE_AWAY, in_a_line, naming_damage, naming_errors
from autoscaler.service.journal_fold import Last, key_of, write_fold
from autoscaler.service.journal_learned import Collected
from autoscaler.service.journal_pruning import Pruning, make_shrinkable
from autoscaler.service.journal_reserve import Reserve, is_full
from autoscaler.service.journal_rows import (
    GONE_AFTER_S,
    give_up,
    insert_decision,
    insert_history,
    insert_operation,
    look_over,
    write_ended,
)
from autoscaler.service.journal_schema import SCHEMA_VERSION, bring_up, refuse_newer, schema_of
from autoscaler.service.order_rows import delete_order, read_orders, write_order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainId
    from autoscaler.core.operation import Operation
    from autoscaler.core.orders import Order
    from autoscaler.ports import Kept
    from autoscaler.service.audit_log import AuditLog

_LOG_BYTES = 16 << 20
"""SQLite's log beside the file is cut to that when it is empty: one large step does not leave it large."""
_LOCK_PATIENCE_S = 0.1
"""The writer is the controller's thread: somebody else's lock costs an entry, not the tick of every guest."""


class SqliteJournal:
    """A journal in one file, written by one thread; `journal_reader` reads it from any."""

    def __init__(
        self,
        path: Path,
        *,
        keep_s: float = inf,
        history_s: float = inf,
        most_bytes: float = inf,
        audit: AuditLog | None = None,
    ) -> None:
        """Open the file, or begin a new one.

        Args:
            path: of the file.
            keep_s: how long entries are kept.
            history_s: how long the history is.
            most_bytes: that it may have; beyond that the oldest are forgotten before their time.
            audit: is told of each change in the transaction that records it; None: nobody is.

        Raises:
            JournalUnavailable: it cannot be used, and is left as it is.
        """
        self._path = path
        self._pruning = Pruning(keep_s, history_s, most_bytes)
        self._last: dict[DomainId, Last] = {}
        self._history = History()
        self._ended: dict[int, Operation] = {}
        """Operations whose end could not be written yet, by their decision."""
        self._learned = Collected()
        self._audit = JournalAudit(audit)
        self._settled = True
        """Whether every order is in the file itself."""
        self._reserve = Reserve(path)
        journal_file.prepare(path)
        with naming_damage(self._path):
            self._db = sqlite3.connect(path, check_same_thread=False, timeout=_LOCK_PATIENCE_S)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> None:
        require_whole(self._db, self._path)
        make_shrinkable(self._db)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        self._db.execute("PRAGMA synchronous = NORMAL")
        refuse_newer(self._db, self._path)
        if schema_of(self._db) < SCHEMA_VERSION:
            bring_up(self._db)
        self._before = look_over(self._db)
        self._audit.take_up(self._db)
        self._settle()
        self._reserve.hold()

    def decided(self, decision: Decision, *, wall_s: float, digest: str) -> int:
        """Record a decision; see `autoscaler.ports.Journal`."""
        self._history.note(decision, wall_s)
        key = key_of(decision, digest)
        last = self._last.get(decision.domain)
        if last is not None and last.key == key and not decision.act:
            last.repeats += 1
            last.newest, last.until_wall_s = decision, wall_s
            return last.row
        with naming_errors(self._path), self._audit.transaction(self._db):
            if last is not None:
                write_fold(self._db, last)
            row = insert_decision(self._db, decision, wall_s, digest)
            self._learned.write(self._db, {decision.domain: decision.name})
            if decision.act:
                closed = insert_operation(self._db, row, decision, wall_s, before=self._before)
                self._audit.ended(self._db, closed)
                self._audit.began(row, decision, digest)
        self._learned.written(decision.domain)
        self._last[decision.domain] = Last(row, key, decision, wall_s)
        return row

    def ended(self, operation: Operation) -> None:
        """Record the end of an operation, as soon as it can be; see `autoscaler.ports.Journal`."""
        self._ended[operation.decision_id] = operation
        with naming_errors(self._path), self._audit.transaction(self._db):
            write_ended(self._db, self._ended.values())
            self._audit.ended(self._db, self._ended)
        self._ended.clear()

    def ordered(self, order: Order) -> None:
        """Record an order; see `autoscaler.ports.Journal`."""
        self._to_the_disk(lambda: write_order(self._db, order))

    def order_ended(self, domain: DomainId) -> None:
        """Record that an order stands no more; see `autoscaler.ports.Journal`."""
        self._to_the_disk(lambda: delete_order(self._db, domain))

    def orders(self) -> list[Order]:
        """Every order on record; see `autoscaler.ports.Journal`."""
        try:
            with naming_errors(self._path):
                return read_orders(self._db)
        except DAMAGE as error:
            raise JournalUnavailable(
                f"the orders in the journal {self._path} are damaged ({in_a_line(error)}), and one may be to "
                f"begin nothing at all: {MOVE_AWAY}"
            ) from error

    def keep(
        self,
        domain: DomainId,
        learned: Callable[[], Mapping[str, object]],
        *,
        wall_s: float,
        at_once: bool = False,
    ) -> None:
        """Remember what was learned of a domain; see `autoscaler.ports.Journal`."""
        self._learned.take(domain, learned(), wall_s)
        if at_once:
            last = self._last.get(domain)
            with naming_errors(self._path), self._db:
                self._learned.write(self._db, {domain: last.newest.name if last else None})
            self._learned.written(domain)

    def kept(self, domain: DomainId) -> Kept | None:
        """What was last kept of a domain, unless it is damaged; see `autoscaler.ports.Journal`."""
        with naming_damage(self._path):
            return self._learned.read(self._db, domain, self._path)

    def growths_s(self, host: str, most: int) -> list[float]:
        """How long the newest growths of one host took; see `autoscaler.ports.Journal`."""
        with naming_damage(self._path):
            return journal_past.growths_s(self._db, host, most)

    def changes(self, domain: DomainId, *, now_s: float, wall_s: float, within_s: float) -> list[Operation]:
        """The changes of one domain that were begun of late; see `autoscaler.ports.Journal`."""
        with naming_damage(self._path):
            return journal_past.changes(self._db, domain, now_s=now_s, wall_s=wall_s, within_s=within_s)

    def begin_tape(self) -> None:
        """Forget the tape of an earlier run.

        Raises:
            JournalUnavailable: it could not be written.
        """
        with naming_errors(self._path), self._db:
            self._db.execute("DELETE FROM tape")

    def wind_on(self, packed: bytes) -> None:
        """Add a piece to the tape; see `autoscaler.service.tape`.

        Raises:
            JournalUnavailable: it could not be written.
        """
        with naming_errors(self._path), self._db:
            self._db.execute("INSERT INTO tape (packed) VALUES (?)", (packed,))

    def flush(self) -> None:
        """Write what has been folded and kept so far; forget domains that are gone and what is old."""
        newest_s = max((last.until_wall_s for last in self._last.values()), default=0.0)
        self._audit.look_after()
        with naming_damage(self._path), self._audit.transaction(self._db):
            for last in self._last.values():
                write_fold(self._db, last)
            write_ended(self._db, self._ended.values())
            give_up(self._db, newest_s, self._last, before=self._before)
            self._audit.ended(self._db)
            self._learned.write_all(
                self._db, {domain: last.newest.name for domain, last in self._last.items()}
            )
            self._history.end(newest_s)
            insert_history(self._db, self._history.whole)
            self._pruning.step(self._db, newest_s)
            # Says the same anew, so that something is written: that went well then says that it can be.
            self._db.execute(f"PRAGMA user_version = {schema_of(self._db)}")
        with naming_errors(self._path):
            self._pruning.give_back(self._db)
            if not self._settled:
                self._settle()
            self._reserve.hold()
        self._history.whole.clear()
        self._learned.written_all()
        self._ended.clear()
        for domain, last in list(self._last.items()):
            last.written = last.repeats
            if newest_s - last.until_wall_s > GONE_AFTER_S:
                del self._last[domain]

    def close(self) -> None:
        """Flush and close."""
        self._history.end(inf)
        try:
            self.flush()
            self._audit.tell_head()
        finally:
            self._db.close()

    def _to_the_disk(self, write: Callable[[], None]) -> None:
        """Do so in a transaction that outlives a loss of power, too, and a damaged log; and a full disk."""
        with naming_errors(self._path):
            self._db.execute("PRAGMA synchronous = FULL")
            try:
                try:
                    self._commit(write)
                except sqlite3.Error as error:
                    if not is_full(error) or not self._reserve.give_up():
                        raise
                    self._commit(write)
                    self._reserve.hold()
            finally:
                self._db.execute("PRAGMA synchronous = NORMAL")

    def _commit(self, write: Callable[[], None]) -> None:
        with self._audit.transaction(self._db):
            write()
        # A reader that was in the way of one order is not waited for with each of many.
        if self._settled:
            self._settle()

    def _settle(self) -> None:
        """Bring what is in SQLite's log into the file, and empty the log, unless somebody reads in it.

        Nor where the file would have to be longer and the disk is full: then it stays in the log.
        """
        try:
            busy: int = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error as error:
            if not is_full(error):
                raise
            busy = 1
        self._settled = not busy
