"""The journal's tables, and the steps that lead a file of an earlier version to them.

Invariants: a file goes all the way in one transaction: interrupted, it still has its old schema, whole. It
says itself which versions may go on with it, so that an older one need not know what a newer one added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.errors import JournalUnavailable

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

_DECISIONS_AND_OPERATIONS = """
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

_LEARNED_AND_NEWEST_INPUTS = """
CREATE TABLE learned (
    host TEXT NOT NULL,
    uuid TEXT NOT NULL,
    domain TEXT,
    at_wall_s REAL NOT NULL,
    learned TEXT NOT NULL,
    PRIMARY KEY (host, uuid)
) STRICT;
ALTER TABLE decisions ADD COLUMN newest_inputs TEXT;
DROP INDEX decisions_by_domain;
CREATE INDEX decisions_by_domain ON decisions (domain, id, at_wall_s);
CREATE INDEX decisions_by_uuid ON decisions (uuid, id, at_wall_s);
"""
"""`learned.domain` is for people, NULL where it was not known. `newest_inputs` is what the last of the folded
decisions was made on, NULL where none was folded. The indexes hold the time as well, so that looking for the
decision of a moment reads no row but that one.
"""

_ORDERS = """
CREATE TABLE orders (
    host TEXT NOT NULL,
    uuid TEXT NOT NULL,
    domain TEXT NOT NULL,
    kind TEXT NOT NULL,
    vcpus INTEGER,
    by_uid INTEGER NOT NULL,
    at_wall_s REAL NOT NULL,
    until_wall_s REAL,
    PRIMARY KEY (host, uuid)
) STRICT;
"""
"""What administrators ordered. Host and UUID are empty where it is for every domain; `vcpus` is NULL for a
pause, `until_wall_s` for one without an end.
"""

_HISTORY_TAPE_AND_OPEN_CHANGES = """
CREATE TABLE history (
    host TEXT NOT NULL,
    uuid TEXT NOT NULL,
    domain TEXT NOT NULL,
    start_wall_s REAL NOT NULL,
    packed BLOB NOT NULL
) STRICT;
CREATE INDEX history_by_start ON history (start_wall_s);
CREATE TABLE tape (
    id INTEGER PRIMARY KEY,
    packed BLOB NOT NULL
) STRICT;
CREATE INDEX operations_open ON operations (decision_id) WHERE outcome IS NULL;
"""
"""`history` is what domains wanted and had, `tape` all that reached the controller: see those modules.
The index is of the few changes that are open: each that begins looks among them.
"""

_HISTORY_BY_DOMAIN = """
CREATE INDEX history_by_domain ON history (uuid, start_wall_s);
"""
"""One domain's chart is to be read without looking at what all the others did meanwhile."""

_AUDIT_HEAD = """
CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;
"""
"""The newest line of the audit log as of the last transaction: its end is held against that."""

_STEPS = (
    *(_DECISIONS_AND_OPERATIONS, _LEARNED_AND_NEWEST_INPUTS, _ORDERS, _HISTORY_TAPE_AND_OPEN_CHANGES),
    *(_HISTORY_BY_DOMAIN, _AUDIT_HEAD),
)
"""What leads from each schema to the next. A new file has schema 0 and takes them all."""

SCHEMA_VERSION = len(_STEPS)

OLDEST_SCHEMA = 6
"""Versions that know at least this schema may go on with a journal of `SCHEMA_VERSION`, as after a downgrade.

Each step since then only added tables, indexes and columns that may be left out, and no column has words or
figures that those versions take for something else. A step that cannot be so raises this to its own number.
"""


def schema_of(db: sqlite3.Connection) -> int:
    """The schema that a journal has; 0: a new file."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def refuse_newer(db: sqlite3.Connection, path: Path) -> None:
    """Leave a journal alone that a newer version made and this one may not go on with.

    Raises:
        JournalUnavailable: it is one.
    """
    schema = schema_of(db)
    oldest: int = db.execute("PRAGMA application_id").fetchone()[0]
    if schema > SCHEMA_VERSION and not 0 < oldest <= SCHEMA_VERSION:
        raise JournalUnavailable(
            f"the journal {path} was made by a newer version: it has schema {schema}, this version writes "
            f"{SCHEMA_VERSION}: run the version that wrote it, or move the file away"
        )


def bring_up(db: sqlite3.Connection) -> None:
    """Lead a journal of an earlier schema, or a new file, to `SCHEMA_VERSION`.

    Raises:
        sqlite3.Error: it did not go, and nothing has changed.
    """
    steps = "".join(_STEPS[schema_of(db) :])
    numbers = f"PRAGMA application_id = {OLDEST_SCHEMA};PRAGMA user_version = {SCHEMA_VERSION}"
    with db:
        db.executescript(f"BEGIN IMMEDIATE;{steps}{numbers};COMMIT;")
