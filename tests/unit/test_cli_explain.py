"""The commands `explain` and `slo`: times as people write them, and tables that say what is going on."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from autoscaler.cli import explain as explain_command
from autoscaler.cli import slo as slo_command
from autoscaler.cli.explain import wall_time_s
from autoscaler.cli.main import app

NOON = datetime(2026, 3, 10, 12, 0, 0).astimezone()


def at(*parts: int) -> float:
    return datetime(*parts).astimezone().timestamp()  # type: ignore[arg-type]  # year, month, day, hour ...


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("09:12", at(2026, 3, 10, 9, 12), id="today"),
        pytest.param("09:12:30", at(2026, 3, 10, 9, 12, 30), id="with seconds"),
        pytest.param("23:30", at(2026, 3, 9, 23, 30), id="still to come today: yesterday"),
        pytest.param("2026-03-01 14:30", at(2026, 3, 1, 14, 30), id="a day"),
        pytest.param("2026-03-01T14:30:00+00:00", 1_772_375_400.0, id="ISO 8601"),
        pytest.param("10m ago", NOON.timestamp() - 600, id="ago"),
        pytest.param("1.5h ago", NOON.timestamp() - 5400, id="a fraction ago"),
    ],
)
def test_a_time_is_read_as_people_write_it(text: str, expected: float) -> None:
    assert wall_time_s(text, NOON.timestamp()) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["soon", "25:00", "", "ten minutes ago", "9999999999999h ago"])
def test_what_is_no_time_is_refused_with_what_to_write(text: str) -> None:
    ended = CliRunner().invoke(app, ["explain", "web-1", "--at", text])
    assert ended.exit_code == 2
    assert "10m ago" in ended.output


ANSWER: dict[str, Any] = {
    "record": {
        "domain": "web-1\x1b[31m",
        "policy": "web",
        "at_wall_s": 1_800_000_000.0,
        "until_wall_s": 1_800_000_060.0,
        "repeats": 11,
    },
    "note": "",
    "conditions": {"breaking-sla": "domain 'web-1' kept\x1b its promise", "paused": "it is paused"},
    "steps": [
        {"stage": "signals", "text": "busy\x1b"},
        {"stage": "order", "text": "It is paused."},
        {"stage": "action", "text": "It stays."},
    ],
}


def test_an_explanation_is_one_line_a_step_and_cannot_steer_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(explain_command, "ask", lambda *_, **__: ANSWER)
    lines = CliRunner().invoke(app, ["explain", "web-1"]).stdout.splitlines()
    assert "the same 12 times" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["problem", "order", "signals", "action"]
    assert lines[1].startswith("  problem   breaking-sla: domain 'web-1' kept")
    assert not any("\x1b" in line for line in lines)


def test_a_time_is_asked_for_in_seconds_since_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def ask(_server: str, *path: str, **query: str) -> object:
        asked.append((path, query))
        return ANSWER

    monkeypatch.setattr(explain_command, "ask", ask)
    CliRunner().invoke(app, ["explain", "web-1", "--at", "2026-03-01T14:30:00+00:00"])
    assert asked == [(("domains", "web-1", "explain"), {"at": "1772375400.000"})]


RATES = {"5m": None, "30m": 0.0, "1h": 1.66, "6h": 0.5, "3d": 0.5, "window": 0.5}
SLO = {
    "promise": "utilization below 80% in 99% of 30 d",
    "objective_ratio": 0.99,
    "attained_ratio": 0.995,
    "measured_s": 12_000.0,
    "budget_s": 25_920.0,
    "good": 199,
    "bad": 1,
    "unknown": 3,
    "budget_remaining_ratio": 0.9977,
    "burn_rates": RATES,
    "exhausted_in_s": 200_000.0,
    "last_slice_bad": False,
}


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        pytest.param({}, "2.3 d", id="days"),
        pytest.param({"exhausted_in_s": 7200.0}, "2 h", id="hours"),
        pytest.param({"exhausted_in_s": 0.0}, "spent", id="spent"),
        pytest.param({"exhausted_in_s": None, "burn_rates": RATES | {"1h": 0.9}}, "never", id="never"),
        pytest.param({"exhausted_in_s": None}, "not now", id="nothing burns any more"),
        pytest.param({"attained_ratio": None, "exhausted_in_s": None}, "-", id="not known"),
    ],
)
def test_service_levels_are_a_row_each_with_what_is_left_and_until_when(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], last: str
) -> None:
    domain = {"name": "web-1", "uuid": "u", "slo": SLO | changes, "conditions": {"held": "a job"}}
    monkeypatch.setattr(slo_command, "ask", lambda *_: [domain])
    printed = CliRunner().invoke(app, ["slo"]).stdout.splitlines()
    assert printed[-1].startswith("web-1   utilization below 80% in 99% of 30 d  ")
    assert "99.77% of 7.2h" in printed[-1]
    assert re.search(rf"  {last} +held$", printed[-1])
    assert max(map(len, printed)) <= 110


def test_one_service_level_is_told_with_all_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        slo_command, "ask", lambda *_: {"name": "web-1", "uuid": "u", "slo": SLO, "conditions": {}}
    )
    printed = CliRunner().invoke(app, ["slo", "web-1"]).stdout.splitlines()
    assert printed == [
        "Domain:       web-1",
        "Promise:      utilization below 80% in 99% of 30 d",
        "Kept:         99.5% of 3.3 h measured, promised are 99%",
        "Slices:       199 good, 1 bad, 3 unknown",
        "Budget left:  99.77% of the 7.2 h that may be bad in a whole window",
        "Burns at:     - in 5m, 0.0 in 30m, 1.7 in 1h, 0.5 in 6h, 0.5 in 3d, 0.5 in the whole window",
        "Runs out in:  2.3 d",
        "State:        ok",
    ]
