"""The pictures of the page: half an hour in small, hours in large; gaps where nothing was measured."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from math import isnan, nan
from pathlib import Path

import pytest

from autoscaler.core.slo import SliceOutcome
from autoscaler.service.history import BLOCK_S, STEP_S
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.journal_reader import moves
from autoscaler.service.page.chart import chart_of
from autoscaler.service.page.drawing import line, spark_line, spark_ticks, steps
from autoscaler.service.page.recent import STEPS, Judged, Recent, recorded
from autoscaler.service.page.timeline import Point, blocks_within, points_of, thinned
from tests.fakes.examples import DECISION, DOMAIN, DOMAIN_SNAPSHOT, GROWTH, LOAD, SNAPSHOT

START_S = 1_800_000_000.0


def seen(recent: Recent, after_s: float, *, busy: float | None = 1.0, bad: int = 0, good: int = 0) -> None:
    load = None if busy is None else replace(LOAD, busy_vcpus=busy, demand_vcpus=busy)
    totals = {SliceOutcome.GOOD: good, SliceOutcome.BAD: bad}
    slo = replace(DOMAIN_SNAPSHOT.slo, slices_total=totals)
    domain = replace(DOMAIN_SNAPSHOT, load=load, slo=slo)
    recent.note(replace(SNAPSHOT, wall_s=START_S + after_s, domains=(domain,)))


def test_a_step_is_the_mean_of_what_was_seen_in_it() -> None:
    recent = Recent(5.0)
    for after_s, busy in ((0, 0.4), (10, 0.8), (30, 2.0)):
        seen(recent, after_s, busy=busy)
    assert recent.figures(DOMAIN, "utilization")[-1] == pytest.approx(0.3)
    assert [(at_s - START_S, step.demand_vcpus) for at_s, step in recent.course(DOMAIN)] == [
        (0.0, pytest.approx(0.6)),
        (30.0, 2.0),
    ]


def test_what_was_not_measured_is_a_gap_and_no_zero() -> None:
    recent = Recent(5.0)
    seen(recent, 0)
    seen(recent, 30, busy=None)
    seen(recent, 120)
    found = list(recent.figures(DOMAIN, "utilization")[-4:])
    assert [isnan(ratio) for ratio in found] == [False, True, True, True]
    assert len(recent.figures(DOMAIN, "online")) == STEPS


def test_slices_are_told_by_the_step_in_which_they_closed() -> None:
    recent = Recent(5.0)
    for after_s, good, bad in ((0, 0, 0), (25, 1, 0), (55, 1, 1), (85, 1, 1), (90, 1, 1)):
        seen(recent, after_s, good=good, bad=bad)
    assert list(recent.figures(DOMAIN, "judged")[-3:]) == [Judged.GOOD, Judged.BAD, Judged.NONE]


def test_a_domain_that_is_gone_is_forgotten_and_a_long_silence_costs_nothing() -> None:
    recent = Recent(5.0)
    seen(recent, 0)
    recent.note(replace(SNAPSHOT, wall_s=START_S + 10, domains=()))
    assert recent.course(DOMAIN) == []
    seen(recent, 20)
    seen(recent, 1e9)
    assert len(recent.figures(DOMAIN, "online")) == STEPS


def test_a_clock_that_is_set_back_leaves_the_steps_as_they_are() -> None:
    recent = Recent(5.0)
    seen(recent, 0)
    seen(recent, 30)
    seen(recent, -5000)
    assert sum(not isnan(ratio) for ratio in recent.figures(DOMAIN, "utilization")) == 1


def test_lines_have_gaps_and_lone_points_are_seen() -> None:
    assert line([(0, 1), (1, 2), (2, None), (3, 4)]) == "M0 1L1 2M3 4h.5"
    assert line([]) == ""
    assert steps([(0, 5, 1.0), (5, 10, 2.0), (10, 15, None), (15, 20, 2.0)]) == "M0 1H5V2H10M15 2H20"
    assert spark_line([0.0, 0.5, 3.0, nan]) == "M0.5 24L1.5 12L2.5 0"
    assert spark_ticks([Judged.GOOD, Judged.BAD, Judged.NONE], Judged.BAD) == "M1.5 24V0"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Two hours of a domain with a growth in the middle, and of another whose figures are others."""
    path = tmp_path / "journal.sqlite"
    writing = SqliteJournal(path)
    start_s = START_S // BLOCK_S * BLOCK_S
    for tick in range(720):
        wall_s = start_s + 10.0 * tick
        online = 1 if tick < 360 else 3
        load = replace(LOAD, online=online, busy_vcpus=0.5, demand_vcpus=0.5, span_s=10.0)
        decision = replace(DECISION, online=online, plugged=online, next_vcpus=online, load=load)
        if tick == 360:
            decision = replace(GROWTH, load=load)
        writing.decided(decision, wall_s=wall_s, digest="d")
        other = replace(decision, domain=DOMAIN._replace(host="other"), online=9, act=False)
        writing.decided(other, wall_s=wall_s, digest="d")
    writing.close()
    return path


def test_the_journal_gives_the_course_of_one_domain(journal: Path) -> None:
    start_s = START_S // BLOCK_S * BLOCK_S
    found = points_of(journal, DOMAIN.host, DOMAIN.uuid, start_s + 1800, start_s + 5400)
    assert (found[0].at_wall_s, found[-1].at_wall_s) == (start_s + 1800, start_s + 5400 - STEP_S)
    assert {point.online for point in found} == {1, 3}
    assert found[0].demand_vcpus == pytest.approx(0.5)
    assert points_of(journal, DOMAIN.host, "nobody", 0, 2e9) == []


@pytest.mark.parametrize("when", ["before it is seen", "after it was seen"])
def test_after_a_restart_the_half_hour_begins_with_what_the_journal_has(journal: Path, when: str) -> None:
    end_s = START_S // BLOCK_S * BLOCK_S + 7200.0
    recent = Recent(5.0)
    past = recorded(blocks_within(journal, end_s - STEPS * recent.step_s, end_s), recent.step_s)
    if when == "before it is seen":
        recent.remember(past)
    # Seen for the first time after a gap of two steps, and then for two more.
    for step in range(2, 5):
        seen(recent, end_s - START_S + step * recent.step_s, busy=1.2)
        if step == 2 and when == "after it was seen":
            recent.remember(past)
    used = list(recent.figures(DOMAIN, "utilization"))
    assert used[-2:] == pytest.approx([0.6, 0.6])
    assert [isnan(ratio) for ratio in used[-4:-2]] == [True, True]
    assert used[:-4] == pytest.approx([0.5 / 3] * (STEPS - 4), rel=1e-2)


def test_a_damaged_block_is_a_gap(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as db, db:
        db.execute("UPDATE history SET packed = x'00' WHERE rowid IN (SELECT rowid FROM history LIMIT 3)")
    assert points_of(journal, DOMAIN.host, DOMAIN.uuid, 0, 2e9)
    assert blocks_within(journal, 0, 2e9)


def test_moves_are_those_of_the_time_and_the_newest_where_there_are_many(journal: Path) -> None:
    asked = {"host": DOMAIN.host, "uuid": DOMAIN.uuid, "from_wall_s": 0.0}
    (move,) = moves(journal, **asked, to_wall_s=2e9, limit=5)  # type: ignore[arg-type]
    assert (move["from_vcpus"], move["to_vcpus"], move["reason"]) == (1, 3, "demand-high")
    assert moves(journal, **asked, to_wall_s=START_S, limit=5) == []  # type: ignore[arg-type]


def test_a_long_time_is_drawn_with_as_many_points_as_fit() -> None:
    week = [
        Point(at_wall_s=10.0 * number, span_s=10.0, demand_vcpus=number % 3, online=1 + number % 2)
        for number in range(60480)
    ]
    found = thinned(week, 604800.0)
    assert 470 <= len(found) <= 490
    assert found[5].demand_vcpus == pytest.approx(1.0, abs=0.1)


def test_a_chart_has_its_figures_at_their_places() -> None:
    points = [
        Point(at_wall_s=START_S + 10 * n, span_s=10, demand_vcpus=1.0, online=2, plugged=3, upper=4)
        for n in range(360)
    ]
    move = {"at_wall_s": START_S + 1800.0, "from_vcpus": 1, "to_vcpus": 2}
    chart = chart_of(points, [move], from_wall_s=START_S, to_wall_s=START_S + 3600)
    assert chart.online.count("M") == 1
    assert chart.area.endswith("Z")
    assert [mark.direction for mark in chart.marks] == ["up"]
    assert "1 → 2" in chart.marks[0].told
    assert [text for _, text in chart.rows] == ["0", "1", "2", "3", "4"]
    assert 4 <= len(chart.columns) <= 8


@pytest.mark.parametrize("span_s", [3600.0, 21600.0, 86400.0, 604800.0])
def test_a_chart_of_nothing_has_its_axes(span_s: float) -> None:
    chart = chart_of([], [], from_wall_s=START_S, to_wall_s=START_S + span_s)
    assert (chart.online, chart.demand, chart.area) == ("", "", "")
    assert 4 <= len(chart.columns) <= 12
