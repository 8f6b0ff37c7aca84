"""What is older than the journal is to keep goes, a little at a time, and nothing else does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from autoscaler.core.model import DomainId
from autoscaler.service import journal_pruning
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.journal_reader import events
from tests.fakes.examples import DECISION, DOMAIN, GROWTH

KEEP_S = 1000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(path, keep_s=KEEP_S)
    yield journal
    journal.close()


def counts(path: Path) -> tuple[int, int, int]:
    """Decisions, operations, domains of which something is kept."""
    with closing(sqlite3.connect(path)) as db:
        tables = ("decisions", "operations", "learned")
        found = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]
    return found[0], found[1], found[2]


def test_an_old_decision_goes_with_its_operation_and_a_young_one_stays(
    journal: SqliteJournal, path: Path
) -> None:
    journal.decided(GROWTH, wall_s=0.0, digest="d")
    journal.decided(GROWTH, wall_s=500.0, digest="d")
    journal.decided(GROWTH, wall_s=1400.0, digest="d")
    journal.flush()
    assert counts(path)[:2] == (2, 2)
    assert [event["at_wall_s"] for event in events(path)] == [500.0, 1400.0]


def test_a_decision_that_has_stood_since_long_ago_and_still_does_stays(
    journal: SqliteJournal, path: Path
) -> None:
    for wall_s in range(0, 5000, 100):
        journal.decided(DECISION, wall_s=float(wall_s), digest="d")
    journal.flush()
    assert counts(path)[0] == 1


def test_what_was_learned_of_a_domain_that_is_long_gone_goes(journal: SqliteJournal, path: Path) -> None:
    gone = DomainId("h", "gone")
    journal.keep(gone, dict, wall_s=0.0)
    journal.keep(DOMAIN, dict, wall_s=1500.0)
    journal.decided(DECISION, wall_s=1500.0, digest="d")
    journal.flush()
    assert counts(path)[2] == 1
    assert journal.kept(gone) is None


def test_many_old_decisions_go_in_steps_past_those_that_stand(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_pruning, "LOOKED_AT", 10)
    for number in range(25):
        journal.decided(replace(DECISION, domain=DomainId("h", f"steady-{number}")), wall_s=0.0, digest="d")
    for number in range(25):
        journal.decided(GROWTH, wall_s=float(number), digest="d")
    for number in range(25):
        journal.decided(
            replace(DECISION, domain=DomainId("h", f"steady-{number}")), wall_s=2000.0, digest="d"
        )
    left = []
    for _ in range(8):
        journal.flush()
        left.append(counts(path)[1])
    assert max(before - after for before, after in pairwise(left)) <= 20
    assert counts(path)[:2] == (25, 0)


def test_what_was_written_while_the_clock_was_ahead_does_not_keep_what_is_old(
    journal: SqliteJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_pruning, "LOOKED_AT", 10)
    for number in range(25):
        journal.decided(GROWTH, wall_s=1e9 + number, digest="d")
    for number in range(25):
        journal.decided(GROWTH, wall_s=float(number), digest="d")
    journal.decided(GROWTH, wall_s=2000.0, digest="d")
    for _ in range(8):
        journal.flush()
    assert {event["at_wall_s"] for event in events(path)} == {2000.0, *(1e9 + number for number in range(25))}


def test_a_service_that_decides_nothing_forgets_nothing(path: Path) -> None:
    before = SqliteJournal(path, keep_s=KEEP_S)
    before.decided(GROWTH, wall_s=0.0, digest="d")
    before.close()
    idle = SqliteJournal(path, keep_s=KEEP_S)
    idle.flush()
    idle.close()
    assert counts(path)[0] == 1


def test_a_wall_clock_that_was_set_back_forgets_nothing(path: Path) -> None:
    ahead = SqliteJournal(path, keep_s=KEEP_S)
    ahead.decided(GROWTH, wall_s=9000.0, digest="d")
    ahead.close()
    behind = SqliteJournal(path, keep_s=KEEP_S)
    behind.decided(GROWTH, wall_s=5400.0, digest="d")
    behind.flush()
    behind.close()
    assert counts(path)[0] == 2


DAY_S = 86400.0


def file_pages(path: Path) -> tuple[int, int]:
    """Pages of the file, and how many of them are free."""
    with closing(sqlite3.connect(path)) as db:
        return tuple(db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))


def fill(journal: SqliteJournal, count: int, *, from_s: float = 0.0, each_s: float = 1.0) -> None:
    for number in range(count):
        journal.decided(replace(GROWTH, granted="x" * 2000), wall_s=from_s + number * each_s, digest="d")


def test_what_pruning_leaves_free_goes_back_to_the_file_system(journal: SqliteJournal, path: Path) -> None:
    fill(journal, 2000)
    journal.flush()
    full, _ = file_pages(path)
    for step in range(20):
        journal.decided(GROWTH, wall_s=1e6 + step, digest="d")
        journal.flush()
    pages, free = file_pages(path)
    assert pages < full / 3
    assert free <= 500
    assert counts(path)[0] == 20


def test_a_small_journal_of_an_earlier_version_is_made_to_shrink_too(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("PRAGMA auto_vacuum = NONE; CREATE TABLE before (x); DROP TABLE before;")
    SqliteJournal(path).close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_a_large_journal_of_an_earlier_version_is_not_written_anew_at_a_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("PRAGMA auto_vacuum = NONE; CREATE TABLE before (x); DROP TABLE before;")
    monkeypatch.setattr(journal_pruning, "_QUICK_BYTES", 0)
    SqliteJournal(path).close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (0,)


def test_a_journal_with_too_many_bytes_forgets_its_oldest_before_their_time(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(SqliteJournal(path, keep_s=1e9, history_s=1e9, most_bytes=2 << 20)) as journal:
        fill(journal, 2000, each_s=DAY_S / 100)
        for _ in range(10):
            journal.flush()
        with closing(sqlite3.connect(path)) as db:
            assert journal_pruning.used_bytes(db) <= 2 << 20
        found = [event["at_wall_s"] for event in events(path, limit=5000)]
        assert found[-1] == 1999 * DAY_S / 100
        assert 200 < len(found) < 1000
        assert counts(path)[0] == counts(path)[1]
    said = [message for message in caplog.messages if "journal.most_mib" in message]
    assert len(said) == 1
    assert "forgotten before their time" in said[0]


def test_a_journal_with_too_many_bytes_forgets_what_lies_behind_decisions_that_stand(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_pruning, "LOOKED_AT", 50)
    standing = [replace(DECISION, domain=DomainId("h", f"steady-{number}")) for number in range(120)]
    with closing(SqliteJournal(path, keep_s=1e9, history_s=1e9, most_bytes=2 << 20)) as journal:
        for wall_s in (0.0, 2000 * DAY_S):
            for decision in standing:
                journal.decided(decision, wall_s=wall_s, digest="d")
            if not wall_s:
                fill(journal, 1500, from_s=1.0)
        for _ in range(40):
            journal.flush()
        with closing(sqlite3.connect(path)) as db:
            assert journal_pruning.used_bytes(db) <= 2 << 20
    assert counts(path)[0] - counts(path)[1] == 120
    assert any("forgotten before their time" in message for message in caplog.messages)


def test_what_a_start_needs_to_know_stays_whatever_the_bytes(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(SqliteJournal(path, most_bytes=1 << 20)) as journal:
        fill(journal, 1500)
        for _ in range(5):
            journal.flush()
    assert counts(path)[0] == 1500
    assert any("all of it is needed" in message for message in caplog.messages)


def test_the_log_beside_the_journal_does_not_stay_large(path: Path) -> None:
    with closing(SqliteJournal(path)) as journal:
        journal.begin_tape()
        journal.wind_on(b"x" * (40 << 20))
        for wall_s in range(5):
            journal.decided(GROWTH, wall_s=float(wall_s), digest="d")
        assert path.with_name(path.name + "-wal").stat().st_size <= 17 << 20
