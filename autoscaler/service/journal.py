"""The lasting record, in SQLite: every decision with what it was made on, every operation with its stages.

A decision that repeats the last one of its domain and moves nothing is folded into it: ``until_wall_s``,
``repeats`` and ``newest_inputs`` of the row follow, in memory first and on disk with the next real entry or
`flush`. What was learned of a domain is only collected, and goes to disk with `flush`, all of it in one
transaction: a killed service loses what it learned since, and nothing that it decided.

Invariants: a decision to act is committed together with the operation that it begins, before the first
action: a killed service finds what it began, and what cannot be written is not begun. The row of an operation
is open until its end was seen, by this run or by a later one. An administrator's order is on the disk, not
only with the kernel, once it was taken; and in the file itself, not only in SQLite's log beside it, of which
one damaged byte costs all that follows: at once, or where a reader is in the way, with a `flush` after that.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING

from autoscaler.ports import JournalUnavailable, Kept
from autoscaler.service import journal_file, journal_past
from autoscaler.service.history import History
from autoscaler.service.journal_audit import JournalAudit
from autoscaler.service.journal_damage import require_whole
from autoscaler.service.journal_errors import DAMAGE, MOVE_AWAY, in_a_line, naming_damage, naming_errors
from autoscaler.service.journal_fold import Last, key_of, write_fold
from autoscaler.service.journal_pruning import Pruning, make_shrinkable
from autoscaler.service.journal_rows import (
    GONE_AFTER_S,
    give_up,
    insert_decision,
    insert_history,
    insert_operation,
    look_over,
    read_learned,
    write_ended,
    write_learned,
)
from autoscaler.service.journal_schema import SCHEMA_VERSION, bring_up, refuse_newer, schema_of
from autoscaler.service.order_rows import delete_order, read_orders, write_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainId
    from autoscaler.core.operation import Operation
    from autoscaler.core.orders import Order
    from autoscaler.service.audit_log import AuditLog

_log = logging.getLogger("autoscaler")

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
        self._learned: dict[DomainId, tuple[float, str]] = {}
        """What waits for the next flush: when it was kept, and the JSON of it."""
        self._audit = JournalAudit(audit)
        self._settled = True
        """Whether every order is in the file itself."""
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
            if decision.act:
                closed = insert_operation(self._db, row, decision, wall_s, before=self._before)
                self._audit.ended(self._db, closed)
                self._audit.began(row, decision, digest)
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
        with self._to_the_disk():
            write_order(self._db, order)

    def order_ended(self, domain: DomainId) -> None:
        """Record that an order stands no more; see `autoscaler.ports.Journal`."""
        with self._to_the_disk():
            delete_order(self._db, domain)

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
        self, domain: DomainId, learned: Mapping[str, object], *, wall_s: float, at_once: bool = False
    ) -> None:
        """Remember what was learned of a domain; see `autoscaler.ports.Journal`."""
        self._learned[domain] = (wall_s, json.dumps(learned, separators=(",", ":")))
        if at_once:
            with naming_errors(self._path), self._db:
                self._write_learned((domain,))
            del self._learned[domain]

    def kept(self, domain: DomainId) -> Kept | None:
        """What was last kept of a domain, unless it is damaged; see `autoscaler.ports.Journal`."""
        found: tuple[float, str | bytes] | None = self._learned.get(domain)
        if found is None:
            with naming_damage(self._path):
                # As bytes: text that is not UTF-8 is damage of this row, not of the journal.
                found = self._db.execute(
                    "SELECT at_wall_s, CAST(learned AS BLOB) FROM learned WHERE host = ? AND uuid = ?",
                    (domain.host, domain.uuid),
                ).fetchone()
        if found is None:
            return None
        at_wall_s, text = found
        learned = read_learned(text)
        if learned is None:
            _log.warning(
                "what was learned of the domain with the UUID %s of %s is damaged in the journal %s: it is "
                "learned anew",
                domain.uuid,
                domain.host,
                self._path,
            )
            return None
        return Kept(at_wall_s, learned)

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
            self._write_learned(self._learned)
            self._history.end(newest_s)
            insert_history(self._db, self._history.whole)
            self._pruning.step(self._db, newest_s)
            # Says the same anew, so that something is written: that went well then says that it can be.
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        with naming_errors(self._path):
            self._pruning.give_back(self._db)
            if not self._settled:
                self._settle()
        self._history.whole.clear()
        self._learned.clear()
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

    def _write_learned(self, domains: Iterable[DomainId]) -> None:
        named = ((domain, self._last.get(domain)) for domain in domains)
        write_learned(
            self._db,
            ((domain, last.newest.name if last else None, *self._learned[domain]) for domain, last in named),
        )

    @contextmanager
    def _to_the_disk(self) -> Iterator[None]:
        """A transaction that outlives a loss of power, too, and a damaged log."""
        with naming_errors(self._path):
            self._db.execute("PRAGMA synchronous = FULL")
            try:
                with self._audit.transaction(self._db):
                    yield
                # A reader that was in the way of one order is not waited for with each of many.
                if self._settled:
                    self._settle()
            finally:
                self._db.execute("PRAGMA synchronous = NORMAL")

    def _settle(self) -> None:
        """Bring what is in SQLite's log into the file, and empty the log, unless somebody reads in it."""
        busy: int = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        self._settled = not busy
