"""What the commands that look print of decisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from autoscaler.cli import queries
from autoscaler.cli.main import app
from autoscaler.service.describe import domain_of
from tests.fakes.examples import DECISION as DECISION_MADE
from tests.fakes.examples import DOMAIN_SNAPSHOT

DECISION = {
    "at_wall_s": 1_800_000_000.0,
    "until_wall_s": 1_800_000_000.0,
    "repeats": 0,
    "domain": "web-1",
    "verdict": "grow",
    "reason": "demand-high",
    "online": 1,
    "next_vcpus": 3,
}
CHANGE = {"from_vcpus": 1, "to_vcpus": 3, "stages_s": {}, "outcome": None, "detail": ""}


def event(number: int, **changes: object) -> dict[str, Any]:
    return {"id": number, "act": True, "operation": None} | DECISION | changes


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, Any]]]:
    """What the service answers, one after the other; then Ctrl-C."""
    found: list[list[dict[str, Any]]] = []
    asked: Iterator[list[dict[str, Any]]] = iter(found)

    def ask(_server: str, *_path: str, **_query: str | int) -> object:
        answer = next(asked, None)
        if answer is None:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(queries, "ask", ask)
    monkeypatch.setattr(queries, "_POLL_S", 0.0)
    return found


def test_following_prints_a_change_when_it_begins_and_when_it_ended_and_no_more(
    answers: list[list[dict[str, Any]]],
) -> None:
    begun = event(7, operation=CHANGE)
    ended = event(7, operation=CHANGE | {"outcome": "done", "stages_s": {"online": 0.8}})
    answers += [[begun], [begun], [ended], [], []]
    printed = CliRunner().invoke(app, ["events", "--follow"]).stdout.splitlines()
    assert [line.partition("; ")[2] for line in printed] == ["under way", "done (online 0.80 s)"]


def test_show_prints_a_table_of_the_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    report = {"source": 0x103, "status": 0x82, "meaning": "removal: refused: busy", "ago_s": 12.3}
    slots = [
        {"slot": 0, "plugged": True, "online": True, "report": None},
        {"slot": 1, "plugged": True, "online": False, "report": report},
        {"slot": 2, "plugged": False, "online": None, "report": None},
    ]
    found = domain_of(DOMAIN_SNAPSHOT) | {"slots": slots}
    monkeypatch.setattr(queries, "ask", lambda *_path, **_query: found)

    printed = CliRunner().invoke(app, ["show", "web-1"]).stdout.splitlines()

    assert [" ".join(line.split()) for line in printed[-3:]] == [
        "0 yes yes -",
        "1 yes no removal: refused: busy (0x103, 0x82; 12 s ago)",
        "2 no ? -",
    ]


def test_a_vcpu_that_goes_back_to_the_host_is_told_by_the_plugged_ones(
    answers: list[list[dict[str, Any]]],
) -> None:
    answers += [[event(7, verdict="unplug", reason="idle", online=1, next_vcpus=1, plugged=3)]]
    assert "unplug  3 -> 2 plugged  a vCPU that is offline" in CliRunner().invoke(app, ["events"]).stdout


def test_what_is_only_recommended_does_not_read_as_done(answers: list[list[dict[str, Any]]]) -> None:
    answers += [[event(7, act=False)]]
    assert "would grow" in CliRunner().invoke(app, ["events"]).stdout


def test_what_a_guest_runs_that_was_not_seen_is_a_question_mark(
    answers: list[list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    dark = event(7, verdict="hold", reason="missing", online=None, next_vcpus=None, act=False)
    answers += [[dark]]
    assert "  ? -> ?  " in CliRunner().invoke(app, ["events"]).stdout
    unseen = replace(DOMAIN_SNAPSHOT, online=None, load=None, decision=replace(DECISION_MADE, seen=False))
    monkeypatch.setattr(queries, "ask", lambda *_: domain_of(unseen) | {"slots": []})
    shown = CliRunner().invoke(app, ["show", "web-1"]).stdout
    assert "? online, 1 plugged" in shown
    assert "target" not in shown


def test_how_a_change_ended_and_why_are_told_apart(answers: list[list[dict[str, Any]]]) -> None:
    stuck = CHANGE | {"outcome": "stuck", "stages_s": {"offlined": 0.01}, "detail": "domain 'web-1' kept it"}
    answers += [[event(7, operation=stuck)]]
    assert "stuck (offlined 0.01 s): domain 'web-1' kept it" in CliRunner().invoke(app, ["events"]).stdout
