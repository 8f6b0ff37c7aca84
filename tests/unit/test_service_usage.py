"""vCPU-hours: what a domain was allowed, had and used, by the day of this host's time zone."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoscaler.cli.main import app
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.usage import usage_of
from tests.fakes.examples import DECISION, DOMAIN, LOAD

DAY = date(2026, 3, 2)
NEXT = date(2026, 3, 3)


@pytest.fixture(params=["UTC", "Europe/Berlin", "Asia/Kathmandu"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This host's time zone; the last one's midnight lies within a block."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def midnight_s(day: date) -> float:
    return datetime(day.year, day.month, day.day).astimezone().timestamp()


def decided(
    journal: SqliteJournal,
    from_s: float,
    hours: float,
    *,
    name: str = "web-1",
    host: str = "h",
    busy: float | None = 1.5,
) -> None:
    """Two of four plugged vCPUs, six allowed, for so many hours; `busy` None: the load is not known."""
    load = None
    if busy is not None:
        load = replace(LOAD, online=2, busy_vcpus=busy, demand_vcpus=busy, span_s=10.0)
    decision = replace(
        DECISION,
        domain=DOMAIN._replace(host=host),
        name=name,
        plugged=4,
        online=2,
        next_vcpus=2,
        upper=6,
        load=load,
    )
    for step in range(round(hours * 360)):
        journal.decided(decision, wall_s=from_s + 10.0 * step, digest="d")


@pytest.mark.usefixtures("zone")
def test_hours_are_counted_on_the_day_on_which_they_fall(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with closing(SqliteJournal(path)) as journal:
        decided(journal, midnight_s(NEXT) - 2 * 3600 + 5, 3.0)
    one, two = usage_of(path, from_day=DAY, to_day=NEXT)
    assert (one.day, two.day) == (DAY, NEXT)
    for entry, hours in ((one, 2.0), (two, 1.0)):
        assert entry.seen_hours == pytest.approx(hours, abs=0.01)
        assert entry.allowed_vcpu_hours == pytest.approx(6 * hours, abs=0.05)
        assert entry.plugged_vcpu_hours == pytest.approx(4 * hours, abs=0.05)
        assert entry.provisioned_vcpu_hours == pytest.approx(2 * hours, abs=0.05)
        assert entry.used_vcpu_hours == pytest.approx(1.5 * hours, abs=0.05)
    assert usage_of(path, from_day=NEXT, to_day=NEXT) == [two]
    assert usage_of(path, from_day=date(2026, 3, 4), to_day=date(2026, 3, 5)) == []


def test_a_time_that_two_runs_of_the_service_wrote_of_counts_once(tmp_path: Path) -> None:
    path, start_s = tmp_path / "journal.sqlite", midnight_s(DAY) + 3600
    for first_s in (start_s, start_s + 300):
        with closing(SqliteJournal(path)) as journal:
            decided(journal, first_s, 300 / 3600)
    (entry,) = usage_of(path, from_day=DAY, to_day=DAY)
    assert entry.seen_hours == pytest.approx(600 / 3600)
    with closing(SqliteJournal(path)) as journal:
        decided(journal, start_s, 300 / 3600)
    assert usage_of(path, from_day=DAY, to_day=DAY)[0].provisioned_vcpu_hours == entry.provisioned_vcpu_hours


def test_what_was_not_seen_or_is_damaged_counts_for_nothing(tmp_path: Path) -> None:
    path, start_s = tmp_path / "journal.sqlite", midnight_s(DAY)
    with closing(SqliteJournal(path)) as journal:
        decided(journal, start_s, 0.5)
        decided(journal, start_s + 10 * 3600, 0.5)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE history SET packed = x'00' WHERE rowid = 1")
    told: list[str] = []
    (entry,) = usage_of(path, from_day=DAY, to_day=DAY, damaged=told)
    assert entry.seen_hours == pytest.approx(1.0 - 600 / 3600)
    assert "damaged" in told[0]


def test_a_domain_of_two_hosts_is_two_and_a_new_name_counts_on(tmp_path: Path) -> None:
    path, start_s = tmp_path / "journal.sqlite", midnight_s(DAY)
    with closing(SqliteJournal(path)) as journal:
        decided(journal, start_s, 0.5)
        decided(journal, start_s, 0.5, host="other")
        decided(journal, start_s + 7200, 0.5, name="renamed")
    found = usage_of(path, from_day=DAY, to_day=DAY)
    assert [(entry.name, entry.host, round(entry.seen_hours, 1)) for entry in found] == [
        ("renamed", "h", 1.0),
        ("web-1", "other", 0.5),
    ]


@pytest.fixture
def journal_file(tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite"
    with closing(SqliteJournal(path)) as journal:
        decided(journal, midnight_s(DAY), 1.0)
        decided(journal, midnight_s(DAY), 1.0, name='=cmd|"x",1\n', host="other", busy=0.5)
    return path


def asked(path: Path, *arguments: str) -> str:
    days = ("--from", DAY.isoformat(), "--to", NEXT.isoformat())
    ran = CliRunner().invoke(app, ["usage", "--from-journal", str(path), *days, *arguments])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_csv_has_a_line_a_day_and_no_name_is_a_formula(journal_file: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(asked(journal_file, "--output", "csv"))))
    assert [row["name"] for row in rows] == ['\'=cmd|"x",1\\n', "web-1"]
    assert {row["day"] for row in rows} == {"2026-03-02"}
    assert float(rows[1]["used_vcpu_hours"]) == pytest.approx(1.5, abs=0.01)


def test_json_and_text_say_the_same_and_text_sums_it_up(journal_file: Path) -> None:
    found = json.loads(asked(journal_file, "--output", "json"))
    assert [entry["provisioned_vcpu_hours"] for entry in found] == [2.0, 2.0]
    lines = asked(journal_file).splitlines()
    assert lines[0].split() == [
        "Day",
        "Domain",
        "Hours",
        "Measured",
        "Allowed",
        "Plugged",
        "Provisioned",
        "Used",
        "Share",
    ]
    assert lines[-1].split() == ["total", "2.00", "1.99", "12.00", "8.00", "4.00", "1.99", "50%"]
    assert len(asked(journal_file, "web-1").splitlines()) == 4
    assert "nothing is on record" in asked(journal_file, "nobody")


def test_a_service_that_has_just_begun_is_told_by_when_there_is_something(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    SqliteJournal(path).close()
    whole = (time.time() // 600 + 1) * 600
    ran = CliRunner().invoke(app, ["usage", "--from-journal", str(path)])
    (by,) = re.findall(r"ten minutes at a time, the next by (\d\d:\d\d)$", ran.stdout.rstrip())
    assert by in {f"{datetime.fromtimestamp(whole + after_s).astimezone():%H:%M}" for after_s in (120, 720)}
    past = ["usage", "--from-journal", str(path), "--from", "2026-01-01", "--to", "2026-01-02"]
    assert CliRunner().invoke(app, past).stdout == "nothing is on record from 2026-01-01 to 2026-01-02\n"


def test_where_much_was_not_measured_the_table_names_no_share(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with closing(SqliteJournal(path)) as journal:
        decided(journal, midnight_s(DAY), 0.6, busy=0.01)
        decided(journal, midnight_s(DAY) + 0.6 * 3600, 0.4, busy=None)
        decided(journal, midnight_s(NEXT), 1.0, busy=1.0)
    hung, well, total = (line.split() for line in asked(path).splitlines()[2:])
    assert (hung[2:4], hung[-1]) == (["1.00", "0.60"], "-")
    assert (well[2], well[-1]) == ("1.00", "50%")
    assert total[-1] == "-"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "yesterday"], "is no day"),
        (["--from", "2026-03-02", "--to", "2026-03-01"], "is after"),
        (["--from-journal", "/nowhere/journal.sqlite"], "cannot be read"),
    ],
)
def test_what_cannot_be_told_says_why(arguments: list[str], said: str) -> None:
    ran = CliRunner().invoke(app, ["usage", *arguments])
    assert ran.exit_code
    assert said in f"{ran.output} {ran.exception}"
