"""Reads the journal for people: decisions with their operations, while the service writes on.

Each call opens the file read-only on a connection of its own, so any thread, or another process, may call it.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from math import inf
from typing import TYPE_CHECKING

from autoscaler.core.model import DomainId
from autoscaler.errors import JournalUnavailable
from autoscaler.service.decision_record import as_known, was_seen
from autoscaler.service.journal_audit import head_in
from autoscaler.service.journal_errors import DAMAGE, damaged
from autoscaler.service.journal_names import meant_by
from autoscaler.service.journal_rows import ended_after_s, stages_s
from autoscaler.service.journal_schema import refuse_newer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from autoscaler.service.audit_chain import Head
    from autoscaler.service.history import Row

_DECISION_COLUMNS = (
    *("id", "at_wall_s", "until_wall_s", "repeats", "host", "uuid", "domain", "policy", "mode", "verdict"),
    *("reason", "plugged", "online", "proposed", "target", "next_vcpus"),
)
_COUNTS = ("online", "proposed", "target", "next_vcpus")

_DECISIONS = """
SELECT d.*, o.direction, o.from_vcpus, o.to_vcpus, o.stages, o.outcome, o.detail
FROM decisions d LEFT JOIN operations o ON o.decision_id = d.id
"""
_OF_LATE = 10_000
"""The newest decisions of a name, among which domains are looked for that went by it."""


def events(
    path: Path, *, domain: str | None = None, after: int = 0, limit: int = 100
) -> list[dict[str, object]]:
    """The newest decisions with an id above `after`, oldest first, each with its operation where it had one.

    `domain` keeps those of one domain, by its UUID, name or label.

    Raises:
        JournalUnavailable: the file cannot be read.
    """
    with _opened(path) as db:
        which, named = ("1", {}) if domain is None else meant_by(domain, db)
        rows = db.execute(
            f"{_DECISIONS} WHERE {which} AND d.id > :after ORDER BY d.id DESC LIMIT :limit",
            {**named, "after": after, "limit": limit},
        ).fetchall()
        return [_event(row) for row in reversed(rows)]


def newest_id(path: Path) -> int:
    """The id of the newest decision; 0: there is none.

    Raises:
        JournalUnavailable: the file cannot be read.
    """
    with _opened(path) as db:
        newest: int = db.execute("SELECT coalesce(max(id), 0) FROM decisions").fetchone()[0]
        return newest


def under_way(path: Path) -> set[int]:
    """The ids of decisions whose changes have not ended.

    Raises:
        JournalUnavailable: the file cannot be read.
    """
    with _opened(path) as db:
        return {row[0] for row in db.execute("SELECT decision_id FROM operations WHERE outcome IS NULL")}


def moves_after(path: Path, *, after: int, besides: Collection[int], limit: int) -> list[dict[str, object]]:
    """The oldest decisions above an id that change something or would, and those of the ids besides.

    By id, and as `events` has them.

    Raises:
        JournalUnavailable: the file cannot be read.
    """
    with _opened(path) as db:
        rows = db.execute(
            f"{_DECISIONS} WHERE d.id > :after AND (o.decision_id IS NOT NULL OR d.next_vcpus <> d.online)"
            " ORDER BY d.id LIMIT :limit",
            {"after": after, "limit": limit},
        ).fetchall()
        for number in besides:
            rows += db.execute(f"{_DECISIONS} WHERE d.id = ?", (number,)).fetchall()
        return [_event(row) for row in sorted(rows, key=lambda row: row["id"])]


def decision_at(path: Path, *, domain: str, at_wall_s: float | None) -> dict[str, object] | None:
    """The decision of a domain that stood at a moment, with its operation where it had one.

    That is the newest one that was made by then, folded repeats counted from their first; `at_wall_s` None
    means now. None: there is none. The domain goes by its UUID, name or label.

    Raises:
        JournalUnavailable: the file cannot be read.
    """
    with _opened(path) as db:
        which, named = meant_by(domain, db)
        newest = f"SELECT id FROM decisions d WHERE {which} AND d.at_wall_s <= :at ORDER BY id DESC LIMIT 1"  # noqa: S608 - own conditions
        row = db.execute(
            f"{_DECISIONS} WHERE d.id = ({newest})", {**named, "at": inf if at_wall_s is None else at_wall_s}
        ).fetchone()
        return None if row is None else _event(row)


def domains_called(path: Path, wanted: str) -> list[tuple[DomainId, str]]:
    """The domains on record that go by this UUID, name or label, each with its name; those of late first.

    Raises:
        JournalUnavailable: the file cannot be read.
    """
    with _opened(path) as db:
        which, named = meant_by(wanted, db)
        late = f"SELECT * FROM decisions d WHERE {which} ORDER BY id DESC LIMIT {_OF_LATE}"  # noqa: S608 - own conditions
        rows = db.execute(
            f"SELECT host, uuid, domain FROM ({late}) GROUP BY host, uuid ORDER BY max(id) DESC",  # noqa: S608 - as above
            named,
        ).fetchall()
    return [(DomainId(host=row["host"], uuid=row["uuid"]), row["domain"]) for row in rows]


def tape_of(path: Path) -> Iterator[bytes]:
    """The pieces of the tape, in order; none where there is no tape.

    Raises:
        JournalUnavailable: the file cannot be read.
    """
    with _opened(path) as db:
        for row in db.execute("SELECT packed FROM tape ORDER BY id"):
            yield row["packed"]


def tape_length(path: Path) -> int:
    """How many pieces the tape has.

    Raises:
        JournalUnavailable: the file cannot be read.
    """
    with _opened(path) as db:
        length: int = db.execute("SELECT count(*) FROM tape").fetchone()[0]
        return length


def history_of(path: Path, *, from_wall_s: float, to_wall_s: float) -> Iterator[Row]:
    """The blocks of the history that begin between two moments, by domain and time; see `history.block_of`.

    Raises:
        JournalUnavailable: the file cannot be read.
    """
    with _opened(path) as db:
        yield from (
            tuple(row)
            for row in db.execute(
                "SELECT host, uuid, domain, start_wall_s, packed FROM history"
                " WHERE start_wall_s BETWEEN ? AND ? ORDER BY host, uuid, start_wall_s, rowid",
                (from_wall_s, to_wall_s),
            )
        )


def domain_history(path: Path, *, host: str, uuid: str, from_wall_s: float, to_wall_s: float) -> list[Row]:
    """The blocks of one domain's history that begin between two moments, by time; see `history.block_of`.

    Raises:
        JournalUnavailable: the file cannot be read.
    """
    with _opened(path) as db:
        return [
            tuple(row)
            for row in db.execute(
                "SELECT host, uuid, domain, start_wall_s, packed FROM history"
                " WHERE uuid = ? AND host = ? AND start_wall_s BETWEEN ? AND ? ORDER BY start_wall_s, rowid",
                (uuid, host, from_wall_s, to_wall_s),
            )
        ]


def moves(
    path: Path, *, host: str, uuid: str, from_wall_s: float, to_wall_s: float, limit: int
) -> list[dict[str, object]]:
    """The newest changes of one domain that were begun between two moments, oldest first.

    Raises:
        JournalUnavailable: the file cannot be read.
    """
    with _opened(path) as db:
        rows = db.execute(
            "SELECT o.decision_id, d.at_wall_s, d.until_wall_s, o.direction, o.from_vcpus, o.to_vcpus,"
            " o.reason, o.stages, o.outcome, o.detail"
            " FROM decisions d JOIN operations o ON o.decision_id = d.id"
            " WHERE d.uuid = ? AND d.host = ? AND d.at_wall_s BETWEEN ? AND ? ORDER BY d.id DESC LIMIT ?",
            (uuid, host, from_wall_s, to_wall_s, limit),
        ).fetchall()
        return [dict(row) | {"stages_s": stages_s(row["stages"])} for row in reversed(rows)]


def audit_head(path: Path) -> tuple[Head | None, str]:
    """The newest line of the audit log that a journal knows of, or None and why there is none."""
    try:
        with _opened(path) as db:
            return head_in(db), ""
    except (JournalUnavailable, sqlite3.Error) as error:
        return None, f"the end is held against no journal ({error})"


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            refuse_newer(db, path)
            yield db
    except (sqlite3.Error, UnicodeError) as error:
        raise JournalUnavailable(f"the journal {path} cannot be read ({_why(path, error)}") from error
    except DAMAGE as error:
        raise damaged(path, error) from error


def _why(path: Path, error: Exception) -> str:
    """The end of that sentence: SQLite has one text for all that keeps it from opening a file."""
    try:
        path.open("rb").close()
    except PermissionError as refused:
        return f"{refused.strerror}): read it as root or as a member of the service's group"
    except FileNotFoundError as refused:
        return f"{refused.strerror}): the service makes it in its state folder when it starts"
    except OSError as refused:
        return f"{refused.strerror})"
    return f"{error})"


def _event(row: sqlite3.Row) -> dict[str, object]:
    event: dict[str, object] = {key: row[key] for key in _DECISION_COLUMNS}
    inputs = _inputs(row["inputs"])
    event |= as_known({key: row[key] for key in _COUNTS}, seen=was_seen(inputs))
    event |= {
        "act": bool(row["act"]),
        "inputs": inputs,
        # Of the last decision that was folded in: where none was, it is the row's own.
        "newest_inputs": _inputs(row["newest_inputs"] or row["inputs"]),
        "operation": None,
    }
    if row["direction"] is not None:
        after_s = ended_after_s(row["stages"])
        event["operation"] = {
            "direction": row["direction"],
            "from_vcpus": row["from_vcpus"],
            "to_vcpus": row["to_vcpus"],
            "stages_s": stages_s(row["stages"]),
            "ended_wall_s": None if after_s is None else row["at_wall_s"] + after_s,
            "outcome": row["outcome"],
            "detail": row["detail"],
        }
    return event


def _inputs(text: str) -> dict[str, object]:
    inputs = json.loads(text)
    if not isinstance(inputs, dict):
        raise ValueError(f"these are no inputs: {text[:40]!r}")  # noqa: TRY004 - as for what is no JSON
    return inputs
