"""What holds for a service level however measurements come: late, long, in pieces, or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import isfinite
from typing import Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.demand import Load
from autoscaler.core.model import CpuSource
from autoscaler.core.policy import Sla
from autoscaler.core.slo import SliceOutcome, Slo
from tests.fakes.mangled import mangled

UNIT = settings(derandomize=True, deadline=None, database=None, max_examples=200)

SLA = Sla(below=0.75, slice_s=10.0, objective_ratio=0.95, window_s=3600.0)
"""Small, so that a short story fills its window."""


@dataclass(frozen=True)
class Tick:
    """One tick: how long after the one before, and which time up to then it measured, if any."""

    after_s: float
    span_s: float | None
    late_s: float
    ratio: float


@st.composite
def ticks(draw: st.DrawFn) -> Tick:
    """In quarters of a second and of a vCPU, which floating point sums up exactly."""
    return Tick(
        after_s=draw(st.integers(1, 80) | st.just(600)) / 4,
        span_s=draw(st.none() | st.integers(1, 120).map(lambda quarters: quarters / 4)),
        late_s=draw(st.sampled_from([0.0, 0.0, 0.25, 3.0])),
        ratio=draw(st.integers(0, 8)) / 8,
    )


STORIES = st.lists(ticks(), min_size=1, max_size=30)


def load(at_s: float, span_s: float, ratio: float) -> Load:
    """What a guest with four vCPUs did that wanted this share of them."""
    return Load(
        at_s=at_s,
        span_s=span_s,
        source=CpuSource.PROC_STAT,
        online=4,
        busy_vcpus=min(ratio, 1.0) * 4,
        steal_vcpus=0.0,
        demand_vcpus=ratio * 4,
    )


class Told:
    """A service level with the story that it was told."""

    def __init__(self, slo: Slo, now_s: float = 0.0) -> None:
        self.slo = slo
        self.now_s = now_s
        self.outcomes: list[SliceOutcome] = []

    def tell(self, story: list[Tick], pieces: int = 1) -> Self:
        """Go through the ticks, each measurement in so many equal pieces as if there had been more ticks."""
        for tick in story:
            before_s = self.now_s
            self.now_s += tick.after_s
            if tick.span_s is None:
                self.outcomes += self.slo.feed(None, self.now_s)
                continue
            piece_s = tick.span_s / pieces
            for later in reversed(range(pieces)):
                now_s = self.now_s - later * piece_s
                piece = load(now_s - tick.late_s, piece_s, tick.ratio)
                self.outcomes += self.slo.feed(piece, max(now_s, before_s))
        return self

    def end(self) -> list[SliceOutcome]:
        """What came out once all slices that the story touches have closed."""
        self.outcomes += self.slo.feed(None, self.now_s + 2 * SLA.slice_s)
        return self.outcomes


def by_quarters(story: list[Tick]) -> list[SliceOutcome]:
    """The same, worked out on a list of what is known of each quarter of a second."""
    known: list[float | None] = []
    """From the first sight on, as far as time was looked at."""
    closed: list[SliceOutcome] = []
    per_slice = round(SLA.slice_s * 4)
    now = 0
    for tick in [*story, Tick(2 * SLA.slice_s, None, 0.0, 0.0)]:
        now += round(tick.after_s * 4)
        if tick.span_s is not None:
            until = now - round(tick.late_s * 4)
            since = max(until - round(tick.span_s * 4), len(known), len(closed) * per_slice)
            if until > len(known):
                known += [None] * (min(since, until) - len(known)) + [tick.ratio] * (until - since)
        while (end := (len(closed) + 1) * per_slice) <= len(known) or end + per_slice <= now:
            seen = [ratio for ratio in known[end - per_slice : end] if ratio is not None]
            if 2 * len(seen) < per_slice:
                closed.append(SliceOutcome.UNKNOWN)
            else:
                closed.append(SliceOutcome.GOOD if sum(seen) / len(seen) < SLA.below else SliceOutcome.BAD)
    return closed


@UNIT
@given(STORIES)
def test_slices_come_out_as_a_tally_of_every_quarter_second_says(story: list[Tick]) -> None:
    assert Told(Slo(SLA, 0.0)).tell(story).end() == by_quarters(story)


@UNIT
@given(STORIES)
def test_a_measurement_in_two_halves_says_the_same_as_in_one(story: list[Tick]) -> None:
    assert Told(Slo(SLA, 0.0)).tell(story, pieces=2).end() == Told(Slo(SLA, 0.0)).tell(story).end()


@UNIT
@given(STORIES, st.floats(0.0, 1e7))
def test_there_are_as_many_slices_as_time_went_by_but_for_the_open_ones(
    story: list[Tick], start_s: float
) -> None:
    told = Told(Slo(SLA, start_s), start_s).tell(story)
    total = told.slo.report().slices_total
    assert [told.outcomes.count(outcome) for outcome in SliceOutcome] == [total[one] for one in SliceOutcome]
    elapsed = (told.now_s - start_s) / SLA.slice_s
    assert elapsed - 2 - 1e-6 <= sum(total.values()) <= elapsed + 1e-6


@UNIT
@given(STORIES)
def test_a_report_agrees_with_itself_and_with_the_slices(story: list[Tick]) -> None:
    told = Told(Slo(SLA, 0.0)).tell(story)
    report = told.slo.report()
    lasted = told.outcomes[-360:]
    assert [report.good, report.bad, report.unknown] == [lasted.count(outcome) for outcome in SliceOutcome]
    assert report.budget_remaining_ratio == 1 - report.bad / 18
    worst = 20.0
    assert all(rate is None or 0 <= rate <= worst + 1e-9 for rate in report.burn_rates.values())
    for span, slices in (("5m", 30), ("30m", 180), ("1h", 360), ("3d", 360), ("window", 360)):
        bad, good = (told.outcomes[-slices:].count(one) for one in (SliceOutcome.BAD, SliceOutcome.GOOD))
        expected = pytest.approx(bad / (bad + good) * worst) if bad + good else None
        assert report.burn_rates[span] == expected
    assert report.exhausted_in_s is None or report.exhausted_in_s >= 0
    assert (report.exhausted_in_s == 0) == (report.bad >= 18)


@UNIT
@given(STORIES, STORIES, st.floats(0.0, 1e6).map(round))
def test_a_restart_without_time_away_changes_nothing(
    before: list[Tick], after: list[Tick], now_s: int
) -> None:
    told = Told(Slo(SLA, 0.0)).tell(before)
    dumped = json.loads(json.dumps(told.slo.dump(told.now_s)))
    again = Told(Slo.load(SLA, dumped, float(now_s), 0.0), float(now_s))
    assert again.slo.dump(again.now_s) == dumped
    assert again.slo.report() == told.slo.report()
    told.outcomes.clear()
    assert again.tell(after).end() == told.tell(after).end()
    assert again.slo.report() == told.slo.report()


@UNIT
@given(STORIES, st.floats(0.0, 1e7), st.floats(0.5, 2.0))
def test_what_was_dumped_at_any_time_can_be_loaded(story: list[Tick], start_s: float, stretch: float) -> None:
    """However floating point rounds the times in it."""
    told = Told(Slo(SLA, start_s), start_s)
    for tick in story:
        span_s = None if tick.span_s is None else tick.span_s * stretch
        told.tell([replace(tick, after_s=tick.after_s * stretch, span_s=span_s)])
        again = Slo.load(SLA, told.slo.dump(told.now_s), 0.0, 0.0)
        assert again.report() == told.slo.report()


@UNIT
@given(STORIES, st.floats(-1e6, 1e9), STORIES)
def test_time_away_adds_unknown_slices_and_no_others(
    before: list[Tick], away_s: float, after: list[Tick]
) -> None:
    told = Told(Slo(SLA, 0.0)).tell(before)
    known = told.slo.report().slices_total
    again = Told(Slo.load(SLA, told.slo.dump(told.now_s), 50.0, away_s), 50.0)
    total = again.slo.report().slices_total
    judged = sum(total[one] - known[one] for one in (SliceOutcome.GOOD, SliceOutcome.BAD))
    assert 0 <= judged <= 1, "the slice that was open may have been measured enough"
    elapsed = (told.now_s + max(away_s, 0.0)) / SLA.slice_s
    assert elapsed - 2 - 1e-3 <= sum(total.values()) <= elapsed + 1e-3
    again.tell(after)
    assert again.slo.report().unknown <= 360


def ordinary() -> dict[str, object]:
    told = Told(Slo(SLA, 0.0))
    for number in range(500):
        told.tell([Tick(10.0, 10.0 if number % 7 else None, 0.0, 0.9 if number % 5 == 0 else 0.5)])
    return told.tell([Tick(3.0, 3.0, 0.0, 0.5)]).slo.dump(told.now_s)


ORDINARY = ordinary()


@settings(UNIT, max_examples=1000)
@given(mangled(ORDINARY))
def test_a_state_file_that_was_tampered_with_is_refused_or_does_no_harm(dumped: dict[str, object]) -> None:
    try:
        slo = Slo.load(SLA, dumped, 100.0, 5.0)
    except ValueError:
        return
    report = slo.report()
    assert min(report.good, report.bad, report.unknown) >= 0
    assert report.good + report.bad + report.unknown <= 360
    assert min(report.slices_total.values()) >= 0
    assert len(slo.feed(load(120.0, 20.0, 0.5), 120.0)) <= 3
    assert isfinite(slo.report().budget_remaining_ratio)
