"""What the commands that look print of decisions."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from autoscaler.cli import queries
from autoscaler.cli.client import ServiceUnreachable
from autoscaler.cli.main import app
from autoscaler.service.describe import domain_of
from tests.fakes.examples import DECISION as DECISION_MADE
from tests.fakes.examples import DOMAIN_SNAPSHOT

BEGIN_S = 1_800_000_000.0
DECISION = {
    "at_wall_s": BEGIN_S,
    "until_wall_s": BEGIN_S,
    "repeats": 0,
    "domain": "web-1",
    "verdict": "grow",
    "reason": "demand-high",
    "online": 1,
    "next_vcpus": 3,
}
CHANGE = {"from_vcpus": 1, "to_vcpus": 3, "stages_s": {}, "outcome": None, "detail": ""}


def event(number: int, **changes: object) -> dict[str, Any]:
    return {"id": number, "act": True, "operation": None, "inputs": {"clamps": []}} | DECISION | changes


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the service answers, or why it does not, one after the other; then Ctrl-C."""
    found: list[list[dict[str, Any]] | Exception] = []
    asked = iter(found)

    def ask(_server: str, *_path: str, **_query: str | int) -> object:
        answer = next(asked, None)
        if answer is None:
            raise KeyboardInterrupt
        if isinstance(answer, Exception):
            raise answer
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
    printed = CliRunner().invoke(app, ["events", "--follow"]).stdout.splitlines()[2:]
    assert [line.partition("; ")[2] for line in printed] == ["under way", "done (online 0.80 s)"]


def clock(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("change", "ended_s"),
    [
        pytest.param({"outcome": "done", "stages_s": {"accepted": 0.1, "online": 4.0}}, 4.0, id="last stage"),
        pytest.param(
            {"outcome": "stuck", "stages_s": {"accepted": 0.1}, "ended_wall_s": BEGIN_S + 5.0},
            5.0,
            id="when it was counted as over",
        ),
        pytest.param({"outcome": "stuck", "stages_s": {}, "ended_wall_s": None}, 60.0, id="when it is seen"),
    ],
)
def test_the_end_of_a_change_has_its_own_time_and_stands_where_that_belongs(
    answers: list[list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    ended_s: float,
) -> None:
    monkeypatch.setattr("autoscaler.cli.following.time.time", lambda: BEGIN_S + 60.0)
    ended = event(7, operation=CHANGE | change)
    others = [event(8, at_wall_s=BEGIN_S + 2.0), event(9, at_wall_s=BEGIN_S + 7.0)]
    answers += [[event(7, operation=CHANGE)], [ended, *others]]
    printed = CliRunner().invoke(app, ["events", "--follow"]).stdout.splitlines()[2:]
    expected = sorted((0.0, 2.0, ended_s, 7.0))
    assert [line[:19] for line in printed] == [clock(BEGIN_S + after_s) for after_s in expected]
    assert change["outcome"] in printed[expected.index(ended_s)]


def test_no_end_of_a_change_is_told_before_what_stands_above_it(
    answers: list[list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoscaler.cli.following.time.time", lambda: BEGIN_S + 60.0)
    late = event(8, at_wall_s=BEGIN_S + 9.0)
    ended = event(7, operation=CHANGE | {"outcome": "done", "stages_s": {"online": 4.0}})
    answers += [[event(7, operation=CHANGE)], [event(7, operation=CHANGE), late], [ended, late]]
    printed = CliRunner().invoke(app, ["events", "--follow"]).stdout.splitlines()[2:]
    assert [line[:19] for line in printed] == [clock(BEGIN_S + after_s) for after_s in (0.0, 9.0, 9.0)]


@pytest.mark.parametrize("following", [[], ["--follow"]], ids=["once", "following"])
def test_events_are_a_table_whose_columns_stand_still(
    answers: list[list[dict[str, Any]]], following: list[str]
) -> None:
    first = [event(1, act=False, domain="app-1"), event(2, verdict="hold", domain="web-frontend-2")]
    later = [first[-1], event(3, verdict="unplug", reason="idle", plugged=12, online=8, domain="db")]
    answers += [first, later] if following else [first]
    printed = CliRunner().invoke(app, ["events", *following]).stdout.splitlines()
    heading, dashes, *rows = printed
    assert heading.split() == ["Time", "Domain", "Decision", "vCPUs", "Why"]
    assert len(rows) == (3 if following else 2)
    places = [match.start() for match in re.finditer("-+", dashes)]
    assert places == [heading.index(word) for word in heading.split()]
    cells = [[row[begin - 1 : begin + 1] for begin in places[1:]] for row in rows]
    assert all(cell[0] == " " != cell[1] for row in cells for cell in row)


def test_following_goes_on_after_a_service_that_was_away(
    answers: list[Any],
) -> None:
    away = ServiceUnreachable("no autoscaler answers")
    second = event(2, operation=CHANGE)
    ended = event(2, operation=CHANGE | {"outcome": "done"})
    answers += [[event(1), second], away, away, [ended, event(3)], away, [event(3)], [event(3), event(4)]]
    ran = CliRunner().invoke(app, ["events", "--follow", "--output", "json"])
    assert [json.loads(line)["id"] for line in ran.stdout.splitlines()] == [1, 2, 3, 2, 4]
    sentence = "autoscaler events: no autoscaler answers; it is tried again"
    assert ran.stderr.splitlines()[:2] == [sentence] * 2, "once each time"


def test_following_knows_a_journal_that_was_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = [event(7, at_wall_s=100.0), event(8, at_wall_s=100.0, domain="db-1")]
    anew = [event(number, at_wall_s=100.0 + number) for number in range(1, 10)]
    # Each time that is asked for the newest; the last time the ids are past what was printed of the old one.
    states = iter([journal, anew[:0], anew[:2], anew[:2], [*anew[:2], event(3, at_wall_s=103.0)], anew])
    monkeypatch.setattr(queries, "_POLL_S", 0.0)
    now = next(states)

    def slept(_: float) -> None:
        nonlocal now
        following = next(states, None)
        if following is None:
            raise KeyboardInterrupt
        now = following

    monkeypatch.setattr("autoscaler.cli.queries.time.sleep", slept)
    monkeypatch.setattr(
        queries, "ask", lambda *_, after, **__: [event for event in now if event["id"] > after]
    )
    printed = CliRunner().invoke(app, ["events", "--follow", "--output", "json"]).stdout.splitlines()
    assert [json.loads(line)["id"] for line in printed] == [7, 8, *range(1, 10)]


def test_a_journal_that_was_begun_anew_is_known_though_its_ids_are_past_what_was_printed(
    answers: list[list[dict[str, Any]]],
) -> None:
    anew = [event(1, at_wall_s=105.0), event(2, at_wall_s=106.0)]
    answers += [[event(1, at_wall_s=100.0)], anew, anew]
    ran = CliRunner().invoke(app, ["events", "--follow", "--output", "json"])
    assert [json.loads(line)["at_wall_s"] for line in ran.stdout.splitlines()] == [100.0, 105.0, 106.0]


def test_following_a_service_that_is_not_there_fails_at_once(answers: list[Any]) -> None:
    answers += [ServiceUnreachable("no autoscaler answers")]
    ran = CliRunner().invoke(app, ["events", "--follow"])
    assert isinstance(ran.exception, ServiceUnreachable)


def test_a_password_in_the_services_address_is_refused_and_not_shown() -> None:
    ran = CliRunner().invoke(app, ["status", "--server", "http://joe:s3cret@127.0.0.1:9752"])
    assert ran.exit_code == 2
    assert "VCPU_AUTOSCALER_HTTP_CONFIG" in re.sub(r"[\s│]+", "", ran.stderr)
    assert "s3cret" not in ran.output


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
    assert re.search("unplug +3 -> 2  a vCPU that is offline", CliRunner().invoke(app, ["events"]).stdout)


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
