"""The journal: written by one thread, folded where nothing changes, read while it is written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from autoscaler.core.decision import Decision
from autoscaler.core.model import DomainId
from autoscaler.core.operation import Outcome
from autoscaler.core.orders import EVERY, Order, OrderKind
from autoscaler.core.reason import Reason
from autoscaler.core.recommend import TargetTrace
from autoscaler.core.stabilize import Clamp
from autoscaler.errors import JournalUnavailable
from autoscaler.ports import Kept
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.journal_reader import decision_at, events
from tests.fakes.examples import DECISION, DOMAIN, GROWTH, LOAD, MISSING, OPERATION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal with a # and a ?.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(path)
    yield journal
    journal.close()


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        count: int = db.execute("SELECT count(*) FROM decisions").fetchone()[0]
        return count


def busy_of(inputs: object) -> object:
    assert isinstance(inputs, dict)
    return inputs["load"]["busy_vcpus"]


def decided(journal: SqliteJournal, decision: Decision, wall_s: float = 1000.0, digest: str = "d") -> int:
    return journal.decided(decision, wall_s=wall_s, digest=digest)


def test_a_decision_comes_back_with_what_it_was_made_on(journal: SqliteJournal, path: Path) -> None:
    clamps = (Clamp(Reason.STEP, 9, 3),)
    trace = TargetTrace(demand_vcpus=1.0, utilization_ratio=0.65, hold_s=300.0)
    growth = replace(GROWTH, load=LOAD, missing=MISSING, clamps=clamps, trace=trace)
    decided(journal, replace(growth, schedules=("office hours",), held=3))
    (event,) = events(path)
    assert event["domain"] == "web-1"
    assert (event["verdict"], event["reason"], event["act"]) == ("grow", "demand-high", True)
    assert event["inputs"] == {
        "lower": 1,
        "upper": 4,
        "maximum": 4,
        "schedules": ["office hours"],
        "held": 3,
        "clamps": [["step", 9, 3]],
        "order": "",
        "granted": "",
        "trace": {"strategy": "target", "demand_vcpus": 1.0, "utilization_ratio": 0.65, "hold_s": 300.0},
        "load": {
            "source": "proc-stat",
            "span_s": 1.0,
            "busy_vcpus": 1.0,
            "steal_vcpus": 0.0,
            "demand_vcpus": 1.0,
        },
        "missing": {"reason": "agent-absent", "detail": "no agent in this guest"},
    }


def test_repeats_are_folded_and_reach_the_disk_with_a_flush(journal: SqliteJournal, path: Path) -> None:
    ids = {decided(journal, DECISION, 1000.0 + second) for second in range(10)}
    assert len(ids) == 1
    assert events(path)[0]["repeats"] == 0
    journal.flush()
    (event,) = events(path)
    assert (event["repeats"], event["at_wall_s"], event["until_wall_s"]) == (9, 1000.0, 1009.0)


def test_a_fold_reaches_the_disk_with_the_next_entry_of_its_domain(
    journal: SqliteJournal, path: Path
) -> None:
    for second in range(3):
        decided(journal, DECISION, 1000.0 + second)
    decided(journal, GROWTH, 1003.0)
    assert [event["repeats"] for event in events(path)] == [2, 0]


def test_a_row_says_what_it_was_first_and_last_decided_on(journal: SqliteJournal, path: Path) -> None:
    for busy in (0.1, 0.2, 0.3):
        decided(journal, replace(DECISION, load=replace(LOAD, busy_vcpus=busy)))
    journal.flush()
    (event,) = events(path)
    assert busy_of(event["inputs"]) == 0.1
    assert busy_of(event["newest_inputs"]) == 0.3


def test_a_row_that_nothing_was_folded_into_was_last_decided_on_what_it_was_first(
    journal: SqliteJournal, path: Path
) -> None:
    decided(journal, replace(DECISION, load=LOAD))
    journal.flush()
    (event,) = events(path)
    assert busy_of(event["newest_inputs"]) == LOAD.busy_vcpus


def test_a_fold_reaches_the_disk_at_the_close(path: Path) -> None:
    journal = SqliteJournal(path)
    for _ in range(3):
        decided(journal, DECISION)
    journal.close()
    assert events(path)[0]["repeats"] == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(DECISION, reason=Reason.HOLD), id="reason"),
        pytest.param(replace(DECISION, plugged=2), id="plugged"),
        pytest.param(replace(DECISION, online=2, next_vcpus=2), id="online"),
        pytest.param(replace(DECISION, target=2), id="target"),
        pytest.param(replace(DECISION, policy="other"), id="policy"),
    ],
)
def test_a_decision_that_differs_is_an_entry_of_its_own(
    journal: SqliteJournal, path: Path, other: Decision
) -> None:
    decided(journal, DECISION)
    decided(journal, other)
    decided(journal, DECISION)
    assert rows(path) == 3


def test_another_policy_set_is_an_entry_of_its_own(journal: SqliteJournal, path: Path) -> None:
    decided(journal, DECISION, digest="one")
    decided(journal, DECISION, digest="two")
    assert rows(path) == 2


def test_a_load_that_wobbles_is_no_new_entry(journal: SqliteJournal, path: Path) -> None:
    for busy in (0.1, 0.2, 0.3):
        decided(journal, replace(DECISION, load=replace(LOAD, busy_vcpus=busy)))
    assert rows(path) == 1


def test_a_decision_to_act_is_never_folded(journal: SqliteJournal, path: Path) -> None:
    assert decided(journal, GROWTH) != decided(journal, GROWTH)
    assert rows(path) == 2


def test_domains_of_one_name_on_two_hosts_do_not_fold_into_each_other(
    journal: SqliteJournal, path: Path
) -> None:
    other = replace(DECISION, domain=DomainId("other", DECISION.domain.uuid))
    assert decided(journal, DECISION) != decided(journal, other)
    assert decided(journal, DECISION) != decided(journal, other)
    assert rows(path) == 2


def test_domains_that_are_long_gone_are_not_kept_in_memory(journal: SqliteJournal) -> None:
    for number in range(50):
        decided(journal, replace(DECISION, domain=DomainId("h", str(number))), 1000.0)
    decided(journal, DECISION, 1000.0 + 7200.0)
    journal.flush()
    assert len(journal._last) == 1


def test_an_operation_shows_how_it_went(journal: SqliteJournal, path: Path) -> None:
    operation = replace(OPERATION, decision_id=decided(journal, GROWTH))
    (event,) = events(path)
    assert isinstance(event["operation"], dict)
    assert event["operation"]["outcome"] is None
    done = operation.seen(present=3, online=3, now_s=100.5).ended(Outcome.STUCK, "it did not go")
    journal.ended(replace(done, ended_s=108.0))
    (event,) = events(path)
    assert isinstance(event["at_wall_s"], float)
    assert event["operation"] == {
        "direction": "up",
        "from_vcpus": 1,
        "to_vcpus": 3,
        "stages_s": {"accepted": 0.5, "present": 0.5, "online": 0.5},
        "ended_wall_s": event["at_wall_s"] + 8.0,
        "outcome": "stuck",
        "detail": "it did not go",
    }


def outcome_of_first(path: Path) -> object:
    operation = events(path)[0]["operation"]
    assert isinstance(operation, dict)
    return operation["outcome"]


def test_what_a_killed_service_left_under_way_stays_open_until_it_is_seen_or_its_domain_is_gone(
    path: Path,
) -> None:
    decided(killed := SqliteJournal(path), GROWTH)
    elsewhere = replace(DECISION, domain=DomainId(DECISION.domain.host, "another"))
    later = SqliteJournal(path)
    later.decided(DECISION, wall_s=3_600.0, digest="d")
    later.flush()
    assert outcome_of_first(path) is None
    later.close()
    last = SqliteJournal(path)
    for wall_s, outcome in ((3_600.0, None), (90_000.0, "abandoned")):
        last.decided(elsewhere, wall_s=wall_s, digest="d")
        last.flush()
        assert outcome_of_first(path) == outcome
    last.close()
    killed.close()


def test_entries_of_a_service_before_stay(path: Path) -> None:
    for _ in range(3):
        journal = SqliteJournal(path)
        decided(journal, DECISION)
        journal.close()
    assert [event["id"] for event in events(path)] == [1, 2, 3]


def test_the_newest_entries_come_oldest_first(journal: SqliteJournal, path: Path) -> None:
    for number in range(5):
        decided(journal, replace(DECISION, target=number, name=f"web-{number % 2}"))
    assert [event["target"] for event in events(path, limit=2)] == [3, 4]
    assert [event["target"] for event in events(path, after=3)] == [3, 4]
    assert [event["target"] for event in events(path, domain="web-1")] == [1, 3]
    assert events(path, domain="nobody") == []


@pytest.mark.parametrize(
    "name", ["a\nb", "'; DROP TABLE decisions; --", "\u202eabc", "x" * 200, "\0", "", "🦆"]
)
def test_a_hostile_name_is_only_a_name(journal: SqliteJournal, path: Path, name: str) -> None:
    decided(journal, replace(DECISION, name=name))
    assert [event["domain"] for event in events(path, domain=name)] == [name]


def test_a_domain_goes_by_its_uuid_its_name_or_its_label(journal: SqliteJournal, path: Path) -> None:
    here, there = DomainId("kvm@one", DOMAIN.uuid), DomainId("kvm@two", DOMAIN.uuid.replace("6", "7"))
    decided(journal, replace(DECISION, domain=here, target=1))
    decided(journal, replace(DECISION, domain=there, target=2))
    decided(journal, replace(DECISION, name="other", domain=DomainId("kvm@one", "0"), target=3))
    for domain, targets in {
        here.uuid: [1],
        there.uuid.upper(): [2],
        "web-1": [1, 2],
        "web-1@kvm@one": [1],
        "web-1@kvm@two": [2],
        f"web-1#{there.uuid}": [2],
        f"web-1@kvm@one#{here.uuid}": [1],
        f"web-1@kvm@two#{here.uuid}": [],
        f"other#{here.uuid}": [],
        "web-1@kvm": [],
        "web-1@": [],
        "": [],
    }.items():
        assert [event["target"] for event in events(path, domain=domain)] == targets, domain
        newest = decision_at(path, domain=domain, at_wall_s=None)
        assert (newest and newest["target"]) == (targets[-1] if targets else None), domain


def test_nobody_takes_anothers_place_by_what_he_calls_his_domain(journal: SqliteJournal, path: Path) -> None:
    decided(journal, replace(DECISION, target=1))
    decided(journal, replace(DECISION, name="db@h", domain=DomainId("h", "1"), target=2))
    for number, name in enumerate((DOMAIN.uuid, f"web-1@{DOMAIN.host}", "db")):
        decided(journal, replace(DECISION, name=name, domain=DomainId("h", f"x{number}"), target=9))
    for domain, target in {DOMAIN.uuid: 1, "db@h": 2, f"web-1@{DOMAIN.host}": 9}.items():
        found = decision_at(path, domain=domain, at_wall_s=None)
        assert found is not None
        assert found["target"] == target


def test_the_decision_that_stood_at_a_moment_is_the_newest_made_by_then(
    journal: SqliteJournal, path: Path
) -> None:
    for target, wall_s in ((1, 1000.0), (2, 2000.0), (3, 3000.0)):
        decided(journal, replace(DECISION, target=target), wall_s)
    decided(journal, replace(DECISION, name="other", domain=DomainId("h", "1"), target=9), 3000.0)
    moments = {999.0: None, 1000.0: 1, 1999.0: 1, 2000.0: 2, 9e9: 3, None: 3}
    for moment, stood in moments.items():
        found = decision_at(path, domain="web-1", at_wall_s=moment)
        assert (found and found["target"]) == stood, moment


def test_the_decision_of_a_moment_comes_with_what_was_done(journal: SqliteJournal, path: Path) -> None:
    operation = replace(OPERATION, decision_id=decided(journal, GROWTH))
    journal.ended(operation.seen(present=3, online=3, now_s=100.5).ended(Outcome.DONE, ""))
    found = decision_at(path, domain="web-1", at_wall_s=None)
    assert found is not None
    assert isinstance(found["operation"], dict)
    assert found["operation"]["outcome"] == "done"


def test_the_decision_of_a_moment_of_no_known_domain_is_none(journal: SqliteJournal, path: Path) -> None:
    assert decision_at(path, domain="nobody", at_wall_s=None) is None
    assert decision_at(path, domain="\udcff@\udcff#\udcff", at_wall_s=float("nan")) is None
    decided(journal, DECISION)
    assert decision_at(path, domain="web-1" + "@" * 10_000, at_wall_s=None) is None


def test_the_decision_of_a_moment_is_found_without_reading_the_others(
    journal: SqliteJournal, path: Path
) -> None:
    decided(journal, DECISION)
    with closing(sqlite3.connect(path)) as db:
        for column in ("uuid", "domain"):
            (plan,) = db.execute(
                f"EXPLAIN QUERY PLAN SELECT id FROM decisions WHERE {column} = 'x' AND at_wall_s <= 5"
                " ORDER BY id DESC LIMIT 1"
            ).fetchall()
            assert "USING COVERING INDEX" in plan[3]


def test_what_was_kept_of_a_domain_comes_back_before_and_after_it_is_on_disk(path: Path) -> None:
    journal = SqliteJournal(path)
    assert journal.kept(DOMAIN) is None
    journal.keep(DOMAIN, lambda: {"rho": 0.5}, wall_s=1000.0)
    journal.keep(DOMAIN, lambda: {"rho": 0.7, "gaps": [1, None, "x"]}, wall_s=1060.0)
    expected = Kept(1060.0, {"rho": 0.7, "gaps": [1, None, "x"]})
    assert journal.kept(DOMAIN) == expected
    assert journal.kept(DomainId("other", DOMAIN.uuid)) is None
    journal.flush()
    assert journal.kept(DOMAIN) == expected
    journal.close()
    journal = SqliteJournal(path)
    assert journal.kept(DOMAIN) == expected
    journal.close()


def test_what_is_kept_anew_takes_the_place_of_what_was_and_the_name_stays(
    journal: SqliteJournal, path: Path
) -> None:
    decided(journal, DECISION)
    journal.keep(DOMAIN, lambda: {"rho": 0.5}, wall_s=1000.0)
    journal.flush()
    journal._last.clear()
    journal.keep(DOMAIN, lambda: {"rho": 0.6}, wall_s=1060.0)
    journal.flush()
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT domain, at_wall_s, learned FROM learned").fetchall()
    assert found == [("web-1", 1060.0, '{"rho":0.6}')]


def test_what_is_kept_of_many_is_written_by_the_flush_in_one_transaction(
    journal: SqliteJournal, path: Path
) -> None:
    statements: list[str] = []
    for number in range(100):
        journal.keep(DomainId("h", str(number)), partial(dict, rho=number), wall_s=1000.0)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM learned").fetchone() == (0,)
        journal._db.set_trace_callback(statements.append)
        journal.flush()
        assert db.execute("SELECT count(*) FROM learned").fetchone() == (100,)
    assert sum(statement.startswith("COMMIT") for statement in statements) == 1
    statements.clear()
    journal.flush()
    assert not any("learned" in statement for statement in statements)


def test_what_was_kept_waits_while_the_journal_is_locked(journal: SqliteJournal, path: Path) -> None:
    journal.keep(DOMAIN, lambda: {"rho": 0.5}, wall_s=1000.0)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable, match="locked"):
            journal.flush()
    assert journal.kept(DOMAIN) == Kept(1000.0, {"rho": 0.5})
    journal.flush()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM learned").fetchone() == (1,)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param("", id="empty"),
        pytest.param('{"rho": 0.', id="cut short"),
        pytest.param("[1, 2]", id="no object"),
        pytest.param("null", id="nothing"),
        pytest.param("[" * 100_000, id="too deep"),
        pytest.param("1" * 10_000, id="too large a number"),
        pytest.param(b'{"rho": "\xff"}', id="no UTF-8"),
    ],
)
def test_what_is_damaged_is_not_kept_and_is_said(
    journal: SqliteJournal, path: Path, caplog: pytest.LogCaptureFixture, damaged: str | bytes
) -> None:
    journal.keep(DOMAIN, lambda: {"rho": 0.5}, wall_s=1000.0)
    journal.flush()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE learned SET learned = CAST(? AS TEXT)", (damaged,))
    assert journal.kept(DOMAIN) is None
    assert f"UUID {DOMAIN.uuid}" in caplog.text
    assert "learned anew" in caplog.text


def test_a_lock_of_somebody_else_is_named_soon_and_the_fold_is_not_lost(
    journal: SqliteJournal, path: Path
) -> None:
    decided(journal, DECISION)
    decided(journal, DECISION, 1001.0)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable, match="locked"):
            decided(journal, GROWTH)
    decided(journal, GROWTH)
    assert [event["repeats"] for event in events(path)] == [1, 0]


def test_a_journal_of_another_version_is_refused_and_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalUnavailable, match=r"schema 99.*move the file away"):
        SqliteJournal(path)


def test_a_file_that_is_no_journal_is_refused(path: Path) -> None:
    path.write_text("this is not a database, and it is long enough to be seen as that " * 20)
    with pytest.raises(JournalUnavailable, match="cannot be used"):
        SqliteJournal(path)


@pytest.mark.parametrize("made", [False, True], ids=["no file", "no journal"])
def test_reading_what_is_not_there_is_named(path: Path, *, made: bool) -> None:
    if made:
        path.touch()
    with pytest.raises(JournalUnavailable, match="cannot be read"):
        events(path)


def test_reading_what_one_may_not_read_says_who_may(journal: SqliteJournal, path: Path) -> None:
    decided(journal, DECISION)
    mode = path.parent.stat().st_mode
    path.parent.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        with pytest.raises(JournalUnavailable, match="as root or as a member of the service's group"):
            events(path)
    finally:
        if is_root:
            os.seteuid(0)
        path.parent.chmod(mode)


def test_how_long_the_newest_growths_of_a_host_took_is_told_the_oldest_first(journal: SqliteJournal) -> None:
    for number, took_s in enumerate((0.5, None, 2.0, 1.5)):
        growth = replace(GROWTH, at_s=float(number))
        row = decided(journal, growth)
        operation = replace(OPERATION, decision_id=row)
        online_s = None if took_s is None else operation.requested_s + took_s
        journal.ended(replace(operation, online_s=online_s, outcome=Outcome.DONE))
    assert journal.growths_s(DOMAIN.host, 2) == [2.0, 1.5]
    assert journal.growths_s(DOMAIN.host, 9) == [0.5, 2.0, 1.5]
    assert journal.growths_s("another", 9) == []


def test_a_growth_that_something_held_tells_nothing_of_how_long_growth_takes(
    journal: SqliteJournal, path: Path
) -> None:
    for took_s, held in ((0.5, False), (900.0, True)):
        operation = replace(OPERATION, decision_id=decided(journal, GROWTH), held=held)
        journal.ended(replace(operation, online_s=operation.requested_s + took_s, outcome=Outcome.DONE))
    assert journal.growths_s(DOMAIN.host, 9) == [0.5]
    past = journal.changes(DOMAIN, now_s=5.0, wall_s=1000.0, within_s=60.0)
    assert [change.held for change in past] == [False, True]
    stages = [
        event["operation"]["stages_s"] for event in events(path) if isinstance(event["operation"], dict)
    ]
    assert sorted(taken["online"] for taken in stages) == [0.5, 900.0]
    assert all("held" not in taken for taken in stages)


def test_a_damaged_entry_costs_only_itself(journal: SqliteJournal, path: Path) -> None:
    decided(journal, GROWTH)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE operations SET stages = '{\"online\": '")
    assert journal.growths_s(DOMAIN.host, 9) == []


PAUSE = Order(domain=EVERY, name="", kind=OrderKind.PAUSE, by_uid=0, at_wall_s=1000.0)
HELD = replace(PAUSE, domain=DOMAIN, name="web-1", kind=OrderKind.SET, vcpus=4, until_wall_s=2000.0)


def test_an_order_is_on_record_at_once_until_it_is_replaced_or_ended(
    journal: SqliteJournal, path: Path
) -> None:
    for order in (PAUSE, HELD, replace(HELD, vcpus=6)):
        journal.ordered(order)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM orders").fetchone() == (2,)
    assert set(journal.orders()) == {PAUSE, replace(HELD, vcpus=6)}
    journal.order_ended(EVERY)
    journal.order_ended(EVERY)
    assert journal.orders() == [replace(HELD, vcpus=6)]


def test_orders_that_are_damaged_are_not_taken_for_none(journal: SqliteJournal, path: Path) -> None:
    journal.ordered(PAUSE)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE orders SET kind = 'paus'")
    with pytest.raises(JournalUnavailable, match=r"damaged.*begin nothing at all.*move the file away"):
        journal.orders()


def test_what_is_kept_at_once_outlives_a_kill(journal: SqliteJournal, path: Path) -> None:
    journal.keep(DOMAIN, lambda: {"by_hand": 1}, wall_s=1000.0, at_once=True)
    journal.keep(DomainId("h", "u"), lambda: {"rho": 1}, wall_s=1000.0)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT uuid FROM learned").fetchall() == [(DOMAIN.uuid,)]


def test_what_is_begun_supersedes_what_was_open_at_once(journal: SqliteJournal, path: Path) -> None:
    decided(journal, GROWTH, 1000.0)
    decided(journal, replace(GROWTH, domain=DomainId("h", "another")), 1001.0)
    decided(journal, replace(GROWTH, next_vcpus=GROWTH.next_vcpus + 1), 1002.5)
    operations = [event["operation"] for event in events(path)]
    ends = [(it["outcome"], it["ended_wall_s"]) for it in operations if isinstance(it, dict)]
    assert ends == [(Outcome.SUPERSEDED, 1002.5), (None, None), (None, None)]


def test_nobody_else_reads_the_journal_whoever_made_its_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "journal.sqlite"
    before = os.umask(0)
    try:
        with closing(SqliteJournal(path)) as journal:
            decided(journal, DECISION)
            assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o640}
        path.chmod(0o644)
        with closing(SqliteJournal(path)):
            assert path.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def test_a_journal_that_was_emptied_is_begun_anew_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal.sqlite"
    SqliteJournal(path).close()
    SqliteJournal(path).close()
    assert caplog.messages == []
    path.write_bytes(b"")
    SqliteJournal(path).close()
    assert caplog.messages == [
        (
            f"the journal {path} is empty and begun anew: "
            "orders and what was learned, if there were any, are lost"
        )
    ]


def test_a_journal_that_was_deleted_beside_its_log_is_begun_anew_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal.sqlite"
    killed = SqliteJournal(path)
    decided(killed, DECISION)
    path.unlink()
    with closing(SqliteJournal(path)) as journal:
        assert journal.orders() == []
    killed._db.close()
    assert caplog.messages == [
        (
            f"the journal {path} is gone, though its log {path}-wal is not, and begun anew: "
            "orders and what was learned, if there were any, are lost"
        )
    ]


def test_what_is_no_file_is_no_journal_and_called_what_it_is(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(JournalUnavailable, match="is a named pipe, and no file: move that away"):
        SqliteJournal(path)
