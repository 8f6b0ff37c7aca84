"""The commands `audit verify` and `audit show`, over a log that a journal wrote."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from autoscaler import __version__
from autoscaler.cli.answers import answer_schema
from autoscaler.cli.main import app
from autoscaler.core.model import DomainId
from autoscaler.core.operation import Outcome
from autoscaler.core.orders import EVERY, Order, OrderKind
from autoscaler.core.policy import PolicySet
from autoscaler.errors import AuditUnavailable
from autoscaler.service import audit_entries
from autoscaler.service.audit_files import audit_files
from autoscaler.service.journal import SqliteJournal
from tests.fakes.audited import audit_log
from tests.fakes.examples import DOMAIN, GROWTH, OPERATION, PEER
from tests.fakes.simulated_guest import EPOCH_S, SimulatedClock

OTHER = replace(GROWTH, domain=DomainId("qemu:///system", "other-uuid"), name="db\x1b[2J-1")
PAUSE = Order(domain=EVERY, name="", kind=OrderKind.PAUSE, by_uid=7, at_wall_s=EPOCH_S)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Of a service that grew two domains, and was paused and resumed in between."""
    clock = SimulatedClock()
    with (
        audit_log(tmp_path / "audit", clock) as log,
        closing(SqliteJournal(tmp_path / "journal.sqlite", audit=log)) as journal,
    ):
        log.require(audit_entries.started(__version__, PolicySet(digest="d" * 64)))
        row = journal.decided(GROWTH, wall_s=1.0, digest="d")
        journal.ended(replace(OPERATION, decision_id=row, outcome=Outcome.DONE))
        clock.now_s += 3600
        log.note(audit_entries.ordered(PAUSE))
        log.note(audit_entries.resumed(EVERY, "", str(PEER)))
        journal.decided(OTHER, wall_s=2.0, digest="d")
        log.note(audit_entries.stopped())
    return tmp_path


def audit(state: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments, "--state", str(state)])


def answer(state: Path, command: str, *arguments: str) -> object:
    ran = audit(state, command, *arguments, "--output", "json")
    found: object = json.loads(ran.stdout)
    jsonschema.Draft202012Validator(answer_schema(f"audit-{command}")).validate(found)
    return found


def rewrite(state: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    file = state / "audit/000000000001.jsonl"
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))


def test_a_whole_log_is_said_to_be_whole_and_names_its_head(state: Path) -> None:
    ran = audit(state, "verify")
    assert ran.exit_code == 0
    assert ran.stdout.startswith("whole: 7 lines, from 1 to 7\nhead: 7:")
    head = ran.stdout.split()[-1]
    assert audit(state, "verify", "--head", head).exit_code == 0


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        pytest.param(
            lambda lines: [lines[0], lines[1].replace(b'"to_vcpus":3', b'"to_vcpus":4'), *lines[2:]],
            "edited",
            id="edited",
        ),
        pytest.param(lambda lines: lines[:2] + lines[3:], "missing", id="dropped"),
        pytest.param(lambda lines: [lines[1], lines[0], *lines[2:]], "moved", id="reordered"),
        pytest.param(lambda lines: [*lines[:3], lines[1], *lines[3:]], "moved", id="inserted"),
        pytest.param(lambda lines: lines[:-1], "cut", id="end cut"),
    ],
)
def test_what_was_done_to_a_log_is_found_and_is_an_exit_code(
    state: Path, change: Callable[[list[bytes]], list[bytes]], fault: str
) -> None:
    rewrite(state, change)
    ran = audit(state, "verify")
    assert ran.exit_code == 1
    assert f"! {fault}: " in ran.stdout
    found = answer(state, "verify")
    assert isinstance(found, dict)
    assert (found["whole"], found["findings"][0]["fault"]) == (False, fault)


def test_a_log_whose_old_files_are_forgotten_while_it_is_read_is_whole(tmp_path: Path) -> None:
    ended = threading.Event()

    def write_and_forget() -> None:
        with audit_log(tmp_path / "audit", file_bytes=2000, most_bytes=8000) as log:
            while not ended.is_set():
                log.note(audit_entries.stopped())
                log.look_after()

    writer = threading.Thread(target=write_and_forget)
    writer.start()
    try:
        while len(audit_files(tmp_path / "audit")) < 3:
            time.sleep(0.001)
        told = {audit(tmp_path, "verify").exit_code for _ in range(60)}
    finally:
        ended.set()
        writer.join()
    assert told == {0}


def test_a_line_that_was_seen_elsewhere_shows_what_the_journal_does_not(state: Path) -> None:
    head = audit(state, "verify").stdout.split()[-1]
    (state / "journal.sqlite").unlink()
    rewrite(state, lambda lines: lines[:-1])
    alone = audit(state, "verify")
    assert alone.exit_code == 0
    assert "note: the end is held against no journal" in alone.stdout
    assert audit(state, "verify", "--head", head).exit_code == 1


def test_a_head_that_names_no_line_is_a_usage_error(state: Path) -> None:
    ran = audit(state, "verify", "--head", "7")
    assert ran.exit_code == 2
    assert "SEQ:HASH" in ran.stderr


def test_no_log_at_all_is_told_and_is_no_whole_log(tmp_path: Path) -> None:
    ran = audit(tmp_path, "verify")
    assert isinstance(ran.exception, AuditUnavailable)
    assert "there is no audit log" in str(ran.exception)


def test_each_line_is_shown_with_when_what_whom_who_and_why(state: Path) -> None:
    lines = audit(state, "show").stdout.splitlines()
    assert [line.split()[2] for line in lines] == [
        *("started", "began", "ended", "ordered", "resumed", "began", "stopped")
    ]
    assert "web-1  up 1 -> 3  #1  policy web" in lines[1]
    assert "web-1  done  #1" in lines[2]
    assert "-  pause  uid 7" in lines[3]
    assert str(PEER) in lines[4]


def test_a_hostile_name_steers_no_terminal(state: Path) -> None:
    assert "\x1b" not in audit(state, "show").stdout
    assert "db\\x1b[2J-1" in audit(state, "show").stdout


@pytest.mark.parametrize(
    ("arguments", "seqs"),
    [
        pytest.param([], [1, 2, 3, 4, 5, 6, 7], id="all"),
        pytest.param(["-n", "2"], [6, 7], id="the newest"),
        pytest.param(["--domain", "web-1"], [2, 3, 4, 5], id="by name, with orders for all"),
        pytest.param(["--domain", DOMAIN.uuid, "-n", "3"], [3, 4, 5], id="by UUID"),
        pytest.param(["--domain", "nobody"], [4, 5], id="nobody"),
    ],
)
def test_lines_are_shown_by_what_is_asked_for(state: Path, arguments: list[str], seqs: list[int]) -> None:
    found = answer(state, "show", *arguments)
    assert isinstance(found, list)
    assert [entry["seq"] for entry in found] == seqs


def test_lines_are_shown_from_a_time_on(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: EPOCH_S + 1000 + 3600 + 60)
    found = answer(state, "show", "--since", "10m ago")
    assert isinstance(found, list)
    assert [entry["seq"] for entry in found] == [4, 5, 6, 7]
