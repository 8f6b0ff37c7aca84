"""Journals of earlier versions: taken over whole, or left whole."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from autoscaler.core.model import DomainId
from autoscaler.ports import JournalUnavailable, Kept
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.journal_reader import decision_at, events
from tests.fakes.examples import DECISION, DOMAIN

SCHEMA_1 = """
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
PRAGMA user_version = 1;
INSERT INTO decisions VALUES (7, 1000, 1060, 12, 'qemu:///system', '6695eb01-f6a4-8304-79aa-97f2502e193f',
    'web-1', 'web', 'd', 'auto', 'grow', 'demand-high', 1, 1, 1, 3, 3, 3, '{"clamps": [["step", 9, 3]]}');
INSERT INTO operations VALUES (7, 1000, 'web-1', 'up', 1, 3, 'demand-high', '{"online": 0.5}', 'done', '');
"""
"""What the first version made, with one decision and what was done on it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of schema 1."""
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"PRAGMA journal_mode = WAL;{SCHEMA_1}")
    return path


def shape(path: Path) -> tuple[int, list[tuple[object, ...]]]:
    """The schema's number, and every table and index with its columns."""
    with closing(sqlite3.connect(path)) as db:
        columns = db.execute(
            "SELECT m.type, m.name, i.name, i.type FROM sqlite_schema m, pragma_table_xinfo(m.name) i "
            "WHERE m.type = 'table' UNION ALL "
            "SELECT m.type, m.name, i.name, i.seqno FROM sqlite_schema m, pragma_index_info(m.name) i "
            "WHERE m.type = 'index' ORDER BY 1, 2, 4, 3"
        ).fetchall()
        return db.execute("PRAGMA user_version").fetchone()[0], columns


def test_what_an_earlier_version_recorded_is_still_there(path: Path) -> None:
    SqliteJournal(path).close()
    (event,) = events(path)
    assert (event["id"], event["repeats"], event["until_wall_s"]) == (7, 12, 1060.0)
    assert event["inputs"] == event["newest_inputs"] == {"clamps": [["step", 9, 3]]}
    assert isinstance(event["operation"], dict)
    assert event["operation"]["outcome"] == "done"
    assert decision_at(path, domain=DOMAIN.uuid, at_wall_s=1030.0) == event


def test_a_journal_that_was_taken_over_is_gone_on_with(path: Path) -> None:
    journal = SqliteJournal(path)
    assert journal.decided(DECISION, wall_s=2000.0, digest="d") == 8
    journal.keep(DOMAIN, {"rho": 0.5}, wall_s=2000.0)
    journal.close()
    again = SqliteJournal(path)
    assert again.kept(DOMAIN) == Kept(2000.0, {"rho": 0.5})
    assert again.kept(DomainId("h", "u")) is None
    again.close()
    assert [event["id"] for event in events(path)] == [7, 8]


def test_a_journal_that_was_taken_over_has_the_shape_of_a_new_one(path: Path, tmp_path: Path) -> None:
    SqliteJournal(path).close()
    SqliteJournal(tmp_path / "new.sqlite").close()
    assert shape(path) == shape(tmp_path / "new.sqlite")
    assert shape(path)[0] == 5


def test_a_take_over_that_fails_half_way_leaves_the_old_schema(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE INDEX decisions_by_uuid ON decisions (uuid)")
    before = shape(path)
    with pytest.raises(JournalUnavailable, match="decisions_by_uuid already exists"):
        SqliteJournal(path)
    assert shape(path) == before
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP INDEX decisions_by_uuid")
    SqliteJournal(path).close()
    assert [event["id"] for event in events(path)] == [7]


KILLED_AT_A_STATEMENT = """
import os, sqlite3, sys
from autoscaler.service.journal_schema import bring_up

def look(statement):
    if sys.argv[2] in statement:
        os.kill(os.getpid(), 9)

db = sqlite3.connect(sys.argv[1])
db.set_trace_callback(look)
bring_up(db)
"""


@pytest.mark.parametrize("statement", ["CREATE TABLE learned", "CREATE INDEX decisions_by_uuid", "COMMIT"])
def test_a_service_killed_while_it_takes_over_leaves_the_old_schema(path: Path, statement: str) -> None:
    before = shape(path)
    killed = subprocess.run(
        (sys.executable, "-c", KILLED_AT_A_STATEMENT, path, statement), check=False, timeout=60
    )
    assert killed.returncode == -9
    assert shape(path) == before
    SqliteJournal(path).close()
    assert shape(path)[0] == 5


def test_a_newer_journal_is_refused_and_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 6")
    before = shape(path)
    with pytest.raises(JournalUnavailable, match=r"schema 6.*writes 5.*move the file away"):
        SqliteJournal(path)
    assert shape(path) == before
