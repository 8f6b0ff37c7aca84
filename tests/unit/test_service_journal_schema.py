"""Journals of earlier versions: taken over whole, or left whole."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from autoscaler.core.learned import DAY_S
from autoscaler.core.model import DomainId
from autoscaler.core.operation import Outcome
from autoscaler.core.orders import EVERY, Order, OrderKind
from autoscaler.errors import JournalUnavailable
from autoscaler.ports import Kept
from autoscaler.service.audit_chain import NOTHING, Head
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.journal_reader import audit_head, decision_at, events
from autoscaler.service.journal_schema import OLDEST_SCHEMA, SCHEMA_VERSION
from autoscaler.service.journal_traces import journal_traces
from tests.fakes.examples import DOMAIN, GROWTH

VERSIONS = range(1, SCHEMA_VERSION + 1)
PAUSE = Order(domain=EVERY, name="", kind=OrderKind.PAUSE, by_uid=0, at_wall_s=1000.0)
JOURNALS = Path(__file__).parents[1] / "fakes/journals"
"""What each version made: a change that is done, one that is open, and one of each other kind that it had."""


def made_by(version: int, path: Path) -> Path:
    """A journal as that version left it."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"PRAGMA journal_mode = WAL;{(JOURNALS / f'schema-{version}.sql').read_text()}")
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of schema 1."""
    return made_by(1, tmp_path / "journal.sqlite")


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


def columns(path: Path) -> dict[str, dict[str, bool]]:
    """By table: its columns, and whether a row has to say them."""
    with closing(sqlite3.connect(path)) as db:
        found = db.execute(
            'SELECT m.name, i.name, i."notnull" AND i.dflt_value IS NULL AND i.pk = 0'
            " FROM sqlite_schema m, pragma_table_xinfo(m.name) i WHERE m.type = 'table'"
        ).fetchall()
    return {table: {name: bool(said) for of, name, said in found if of == table} for table, _, _ in found}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_each_version_recorded_is_still_there(tmp_path: Path, version: int) -> None:
    path = made_by(version, tmp_path / "journal.sqlite")
    with closing(SqliteJournal(path)) as journal:
        assert journal.kept(DOMAIN) == (Kept(1100.0, {"rho": 0.5}) if version >= 2 else None)
        assert [(order.name, order.by_uid) for order in journal.orders()] == [("web-1", 7)] * (version >= 3)
        changes = journal.changes(DOMAIN, now_s=100.0, wall_s=1200.0, within_s=DAY_S)
        assert [(change.to_vcpus, change.outcome) for change in changes] == [(3, Outcome.DONE), (2, None)]
    done, _ = events(path)
    assert (done["id"], done["repeats"], done["until_wall_s"]) == (7, 12, 1060.0)
    assert done["inputs"] == done["newest_inputs"] == {"clamps": [["step", 9, 3]]}
    assert isinstance(done["operation"], dict)
    assert done["operation"]["outcome"] == "done"
    assert decision_at(path, domain=DOMAIN.uuid, at_wall_s=1030.0) == done
    assert [trace.domain for trace in journal_traces(path, step_s=10.0)] == ["web-1"] * (version >= 4)
    head, _ = audit_head(path)
    assert head == (Head(2, "ab" * 32) if version >= 6 else NOTHING)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_journal_of_any_version_that_was_taken_over_is_gone_on_with(tmp_path: Path, version: int) -> None:
    path = made_by(version, tmp_path / "journal.sqlite")
    with closing(SqliteJournal(path)) as journal:
        assert journal.decided(GROWTH, wall_s=2000.0, digest="d") == 9
        journal.keep(DOMAIN, lambda: {"rho": 0.7}, wall_s=2000.0)
    with closing(SqliteJournal(path)) as journal:
        assert journal.kept(DOMAIN) == Kept(2000.0, {"rho": 0.7})
        assert journal.kept(DomainId("h", "u")) is None
    outcomes = [
        event["operation"]["outcome"] for event in events(path) if isinstance(event["operation"], dict)
    ]
    assert outcomes == [
        "done",
        "abandoned",
        None,
    ]  # what an earlier run left open ends by what begins in its way


@pytest.mark.parametrize("version", VERSIONS)
def test_a_journal_of_any_version_that_was_taken_over_has_the_shape_of_a_new_one(
    tmp_path: Path, version: int
) -> None:
    SqliteJournal(made_by(version, tmp_path / "old.sqlite")).close()
    SqliteJournal(tmp_path / "new.sqlite").close()
    assert shape(tmp_path / "old.sqlite") == shape(tmp_path / "new.sqlite")
    assert shape(tmp_path / "old.sqlite")[0] == SCHEMA_VERSION


def test_the_newest_version_has_its_journal_here_and_makes_it_so(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "new.sqlite").close()
    assert shape(made_by(SCHEMA_VERSION, tmp_path / "kept.sqlite")) == shape(tmp_path / "new.sqlite")
    assert len(list(JOURNALS.iterdir())) == SCHEMA_VERSION


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
    assert [event["id"] for event in events(path)] == [7, 8]


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
    assert shape(path)[0] == SCHEMA_VERSION


def next_release_takes_over(path: Path, *, oldest: int) -> None:
    """Do to a journal as a version with one more schema would."""
    SqliteJournal(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "CREATE TABLE of_the_next (id INTEGER PRIMARY KEY) STRICT; INSERT INTO of_the_next VALUES (1);"
            "ALTER TABLE orders ADD COLUMN why TEXT; CREATE INDEX orders_by_end ON orders (until_wall_s);"
            f"PRAGMA user_version = {SCHEMA_VERSION + 1}; PRAGMA application_id = {oldest}"
        )


@pytest.mark.parametrize("version", VERSIONS)
def test_after_a_downgrade_a_newer_journal_that_allows_it_is_gone_on_with_and_stays_the_newer_ones(
    tmp_path: Path, version: int
) -> None:
    path = made_by(version, tmp_path / "journal.sqlite")
    next_release_takes_over(path, oldest=OLDEST_SCHEMA)
    newer = shape(path)
    with closing(SqliteJournal(path)) as journal:
        assert [order.name for order in journal.orders()] == ["web-1"] * (version >= 3)
        journal.ordered(PAUSE)
        assert journal.decided(GROWTH, wall_s=2000.0, digest="d") == 9
    with closing(SqliteJournal(path)) as journal:
        assert PAUSE in journal.orders()
    assert [event["id"] for event in events(path)] == [7, 8, 9]
    assert shape(path) == newer
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT id FROM of_the_next").fetchall() == [(1,)]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_step_so_far_took_a_column_away_or_added_one_that_an_older_version_would_have_to_fill_in(
    tmp_path: Path, version: int
) -> None:
    before = columns(made_by(version, tmp_path / "old.sqlite"))
    SqliteJournal(tmp_path / "new.sqlite").close()
    now = columns(tmp_path / "new.sqlite")
    assert before.keys() <= now.keys()
    for table, had in before.items():
        assert had.items() <= now[table].items()
        assert not any(now[table][added] for added in now[table].keys() - had.keys())


def test_a_newer_journal_that_does_not_allow_it_is_refused_and_left_as_it_is(path: Path) -> None:
    next_release_takes_over(path, oldest=SCHEMA_VERSION + 1)
    before = shape(path)
    with pytest.raises(
        JournalUnavailable, match=rf"schema {SCHEMA_VERSION + 1}.*writes {SCHEMA_VERSION}.*move the file away"
    ):
        SqliteJournal(path)
    assert shape(path) == before
