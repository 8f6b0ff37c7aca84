"""Each change has a line in the audit log before it is begun, and one when it is over, as the journal has."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.core.operation import Outcome
from autoscaler.core.reason import Reason
from autoscaler.errors import AuditUnavailable, JournalUnavailable
from autoscaler.service.audit_log import AuditLog
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.journal_reader import audit_head, events
from autoscaler.service.recorder import Recorder
from tests.fakes import read_only_disk
from tests.fakes.audited import audit_log, entries, verdict_on, whats
from tests.fakes.examples import DECISION, DOMAIN, GROWTH, OPERATION, SHRINK

DONE = replace(OPERATION, outcome=Outcome.DONE)


@contextmanager
def both(folder: Path) -> Iterator[tuple[SqliteJournal, AuditLog]]:
    with (
        audit_log(folder / "audit") as log,
        closing(SqliteJournal(folder / "journal.sqlite", audit=log)) as journal,
    ):
        yield journal, log


def outcomes(folder: Path) -> list[tuple[object, object]]:
    found = [entry for entry in entries(folder / "audit") if entry["what"] == "ended"]
    return [(entry["decision_id"], entry["outcome"]) for entry in found]


def test_a_change_says_who_did_what_and_why_and_by_which_policies(tmp_path: Path) -> None:
    with both(tmp_path) as (journal, _):
        row = journal.decided(replace(GROWTH, granted="its host has 2 left"), wall_s=1.0, digest="d1")
        (began,) = entries(tmp_path / "audit")
        assert began["decision_id"] == row
    assert (began["what"], began["who"], began["policy"], began["policy_digest"]) == (
        "began",
        "policy web",
        "web",
        "d1",
    )
    assert (began["domain"], began["uuid"], began["host"]) == ("web-1", DOMAIN.uuid, DOMAIN.host)
    assert (began["direction"], began["from_vcpus"], began["to_vcpus"]) == ("up", 1, 3)
    assert began["reason"] == "demand-high"
    assert began["why"].endswith("; its host has 2 left")


def test_a_change_under_an_order_says_whose_that_is(tmp_path: Path) -> None:
    with both(tmp_path) as (journal, _):
        journal.decided(
            replace(GROWTH, order="held at 3 vCPUs until resumed by uid 7"), wall_s=1.0, digest="d"
        )
    assert entries(tmp_path / "audit")[0]["who"] == "order: held at 3 vCPUs until resumed by uid 7"


def test_a_decision_that_changes_nothing_has_no_line(tmp_path: Path) -> None:
    with both(tmp_path) as (journal, _):
        journal.decided(DECISION, wall_s=1.0, digest="d")
    assert whats(tmp_path / "audit") == []


def test_the_end_of_a_change_has_one_line_whoever_tells_of_it_again(tmp_path: Path) -> None:
    with both(tmp_path) as (journal, _):
        row = journal.decided(GROWTH, wall_s=1.0, digest="d")
        journal.ended(replace(DONE, decision_id=row))
        journal.ended(replace(DONE, decision_id=row))
        journal.flush()
    assert outcomes(tmp_path) == [(row, "done")]


def test_a_change_that_the_journal_closes_by_itself_has_its_line_too(tmp_path: Path) -> None:
    with both(tmp_path) as (journal, _):
        first = journal.decided(GROWTH, wall_s=1.0, digest="d")
        second = journal.decided(SHRINK, wall_s=2.0, digest="d")
        assert outcomes(tmp_path) == [(first, "superseded")]
        journal.ended(replace(DONE, decision_id=first, outcome=Outcome.SUPERSEDED))
    assert outcomes(tmp_path) == [(first, "superseded")]
    with both(tmp_path) as (journal, _):
        journal.ended(replace(DONE, decision_id=second))
    assert outcomes(tmp_path) == [(first, "superseded"), (second, "done")]


def test_a_change_is_not_on_record_whose_line_could_not_be_written(tmp_path: Path) -> None:
    with both(tmp_path) as (journal, log):
        recorder = Recorder(journal)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        log.note({"what": "ordered"})
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
        try:
            with pytest.raises(AuditUnavailable):
                journal.decided(GROWTH, wall_s=1.0, digest="d")
            assert recorder.decided(GROWTH, wall_s=2.0, digest="d") == 0
            assert (list(log.troubles), recorder.troubles) == (["audit"], {})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert recorder.decided(GROWTH, wall_s=3.0, digest="d") == 1
        assert log.troubles == {}
    assert [event["at_wall_s"] for event in events(tmp_path / "journal.sqlite")] == [3.0]
    assert verdict_on(tmp_path / "audit").findings == ()


def test_an_end_whose_line_could_not_be_written_is_on_record_later_and_with_it(tmp_path: Path) -> None:
    with both(tmp_path) as (journal, log):
        row = journal.decided(GROWTH, wall_s=1.0, digest="d")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
        try:
            with pytest.raises(AuditUnavailable):
                journal.ended(replace(DONE, decision_id=row))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        (event,) = events(tmp_path / "journal.sqlite")
        assert isinstance(event["operation"], dict)
        assert event["operation"]["outcome"] is None
        journal.flush()
        assert log.troubles == {}
    assert outcomes(tmp_path) == [(row, "done")]


@read_only_disk.needs_library
def test_a_change_that_the_journal_does_not_take_in_the_end_is_said_to_have_never_begun(
    tmp_path: Path,
) -> None:
    with both(tmp_path) as (journal, _):
        with read_only_disk.read_only_disk(), pytest.raises(JournalUnavailable):
            journal.decided(GROWTH, wall_s=1.0, digest="d")
        assert whats(tmp_path / "audit") == ["began", "ended"]
        assert outcomes(tmp_path) == [(1, "abandoned")]
        assert journal.decided(GROWTH, wall_s=2.0, digest="d") == 1
    assert whats(tmp_path / "audit") == ["began", "ended", "began"]


def test_the_journal_knows_the_newest_line_as_of_each_change(tmp_path: Path) -> None:
    with both(tmp_path) as (journal, log):
        assert audit_head(tmp_path / "journal.sqlite") == (log.head, "")
        journal.decided(GROWTH, wall_s=1.0, digest="d")
        assert audit_head(tmp_path / "journal.sqlite") == (log.head, "")
        log.note({"what": "ordered"})
        journal.flush()
        assert audit_head(tmp_path / "journal.sqlite") == (log.head, "")


def test_a_start_says_that_the_end_of_the_log_is_gone(tmp_path: Path) -> None:
    with both(tmp_path) as (journal, _):
        journal.decided(GROWTH, wall_s=1.0, digest="d")
    (tmp_path / "audit/000000000001.jsonl").unlink()
    with both(tmp_path):
        pass
    (lost,) = entries(tmp_path / "audit")
    assert lost["what"] == "lost"
    assert "line 1 was there" in lost["why"]


def test_without_a_journal_it_is_said_that_the_end_is_held_against_none(tmp_path: Path) -> None:
    head, note = audit_head(tmp_path / "journal.sqlite")
    assert head is None
    assert "held against no journal" in note


def test_a_journal_without_an_audit_log_is_as_ever(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path / "journal.sqlite")) as journal:
        row = journal.decided(GROWTH, wall_s=1.0, digest="d")
        journal.ended(replace(DONE, decision_id=row, reason=Reason.DEMAND_HIGH))
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM audit_head").fetchone() == (0,)
