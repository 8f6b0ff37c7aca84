"""The lasting record, in SQLite: every decision with what it was made on, every operation with its stages.

A decision that repeats the last one of its domain and moves nothing is folded into it: ``until_wall_s`` and
``repeats`` of the row grow, in memory first and on disk with the next real entry or `flush`.

Invariant: an operation's row is committed before its first action: a killed service finds what it began.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.core.operation import Outcome
from autoscaler.ports import JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainId
    from autoscaler.core.operation import Operation

SCHEMA_VERSION = 1
_LOCK_PATIENCE_S = 0.1
"""The writer is the controller's thread: somebody else's lock costs an entry, not the tick of every guest."""
_FOLD_WITHIN_S = 3600.0
"""A domain that was not decided for so long is gone: its last row is not folded into any more."""
_ABANDONED = "the service ended before this change did"
_MOVE_AWAY = "move the file away and restart the service, which begins a new one"
_ADVICE = {
    sqlite3.SQLITE_NOTADB: _MOVE_AWAY,
    sqlite3.SQLITE_CORRUPT: _MOVE_AWAY,
    sqlite3.SQLITE_BUSY: "another program holds it, end that one",
    sqlite3.SQLITE_FULL: "make room on its file system",
}
"""What to do, by SQLite's primary result code."""

_SCHEMA = """
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    at_wall_s REAL NOT NULL,
    until_wall_s REAL NOT NULL,
    repeats INTEGER NOT NULL DEFAULT 0,
    host TEXT NOT NULL,
    uuid TEXT NOT NULL,
    domain TEXT NOT NULL,
    policy TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    mode TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    act INTEGER NOT NULL,
    plugged INTEGER NOT NULL,
    online INTEGER NOT NULL,
    proposed INTEGER NOT NULL,
    target INTEGER NOT NULL,
    next_vcpus INTEGER NOT NULL,
    inputs TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_by_domain ON decisions (domain, id);
CREATE TABLE operations (
    decision_id INTEGER PRIMARY KEY REFERENCES decisions (id),
    at_wall_s REAL NOT NULL,
    domain TEXT NOT NULL,
    direction TEXT NOT NULL,
    from_vcpus INTEGER NOT NULL,
    to_vcpus INTEGER NOT NULL,
    reason TEXT NOT NULL,
    stages TEXT NOT NULL DEFAULT '{}',
    outcome TEXT,
    detail TEXT NOT NULL DEFAULT ''
) STRICT;
"""


@dataclass(slots=True)
class _Last:
    """The newest row of a domain, and what has been folded into it since it was written."""

    row: int
    key: tuple[object, ...]
    until_wall_s: float
    repeats: int = 0
    written: int = 0
    """How many of the repeats are on disk."""


class SqliteJournal:
    """A journal in one file, written by one thread; `journal_reader` reads it from any."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[DomainId, _Last] = {}
        with self._named_errors():
            self._db = sqlite3.connect(path, check_same_thread=False, timeout=_LOCK_PATIENCE_S)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
            elif version != SCHEMA_VERSION:
                raise JournalUnavailable(
                    f"the journal {path} has schema {version}, this version of the service writes "
                    f"{SCHEMA_VERSION}: move the file away, or run the version that wrote it"
                )
            with self._db:
                self._db.execute(
                    "UPDATE operations SET outcome = ?, detail = ? WHERE outcome IS NULL",
                    (Outcome.ABANDONED, _ABANDONED),
                )

    def decided(self, decision: Decision, *, wall_s: float, digest: str) -> int:
        """Record a decision; see `autoscaler.ports.Journal`."""
        key = (
            decision.verdict,
            decision.reason,
            decision.act,
            decision.plugged,
            decision.online,
            decision.target,
            decision.policy,
            decision.mode,
            digest,
        )
        last = self._last.get(decision.domain)
        if last is not None and last.key == key and not decision.act:
            last.repeats += 1
            last.until_wall_s = wall_s
            return last.row
        with self._named_errors(), self._db:
            if last is not None:
                self._write_fold(last)
            row = self._insert_decision(decision, wall_s, digest)
        self._last[decision.domain] = _Last(row, key, wall_s)
        return row

    def begun(self, decision: Decision, operation: Operation, *, wall_s: float) -> None:
        """Record the start of an operation; see `autoscaler.ports.Journal`."""
        with self._named_errors(), self._db:
            self._db.execute(
                "INSERT INTO operations"
                " (decision_id, at_wall_s, domain, direction, from_vcpus, to_vcpus, reason)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    operation.decision_id,
                    wall_s,
                    decision.name,
                    operation.direction,
                    operation.from_vcpus,
                    operation.to_vcpus,
                    operation.reason,
                ),
            )

    def ended(self, operation: Operation) -> None:
        """Record the end of an operation; see `autoscaler.ports.Journal`."""
        with self._named_errors(), self._db:
            self._db.execute(
                "UPDATE operations SET stages = ?, outcome = ?, detail = ? WHERE decision_id = ?",
                (
                    json.dumps(operation.stages_s()),
                    operation.outcome,
                    operation.detail,
                    operation.decision_id,
                ),
            )

    def flush(self) -> None:
        """Write what has been folded so far, and forget the domains that are gone."""
        with self._named_errors(), self._db:
            for last in self._last.values():
                self._write_fold(last)
        newest_s = max((last.until_wall_s for last in self._last.values()), default=0.0)
        for domain, last in list(self._last.items()):
            last.written = last.repeats
            if newest_s - last.until_wall_s > _FOLD_WITHIN_S:
                del self._last[domain]

    def close(self) -> None:
        """Flush and close."""
        try:
            self.flush()
        finally:
            self._db.close()

    def _write_fold(self, last: _Last) -> None:
        if last.repeats == last.written:
            return
        self._db.execute(
            "UPDATE decisions SET until_wall_s = ?, repeats = ? WHERE id = ?",
            (last.until_wall_s, last.repeats, last.row),
        )

    def _insert_decision(self, decision: Decision, wall_s: float, digest: str) -> int:
        row: dict[str, str | int | float] = {
            "at_wall_s": wall_s,
            "until_wall_s": wall_s,
            "host": decision.domain.host,
            "uuid": decision.domain.uuid,
            "domain": decision.name,
            "policy": decision.policy,
            "policy_digest": digest,
            "mode": decision.mode,
            "verdict": decision.verdict,
            "reason": decision.reason,
            "act": int(decision.act),
            "plugged": decision.plugged,
            "online": decision.online,
            "proposed": decision.proposed,
            "target": decision.target,
            "next_vcpus": decision.next_vcpus,
            "inputs": json.dumps(_inputs(decision)),
        }
        names = ", ".join(row)
        places = ", ".join(f":{name}" for name in row)
        cursor = self._db.execute(f"INSERT INTO decisions ({names}) VALUES ({places})", row)  # noqa: S608 - own names
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            # What the module itself finds wrong has no code of SQLite's; the upper bits only detail it.
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            advice = _ADVICE.get(code, "check the space and the rights of its folder")
            raise JournalUnavailable(
                f"the journal {self._path} cannot be used ({error}): {advice}"
            ) from error


def _inputs(decision: Decision) -> dict[str, object]:
    """What a decision was made on, as JSON keeps it."""
    inputs: dict[str, object] = {
        "clamps": [[clamp.reason, clamp.before, clamp.after] for clamp in decision.clamps]
    }
    if decision.load is not None:
        load = decision.load
        inputs["load"] = {
            "source": load.source,
            "span_s": load.span_s,
            "busy_vcpus": load.busy_vcpus,
            "steal_vcpus": load.steal_vcpus,
            "demand_vcpus": load.demand_vcpus,
        }
    if decision.missing is not None:
        inputs["missing"] = {"reason": decision.missing.reason, "detail": decision.missing.detail}
    return inputs
