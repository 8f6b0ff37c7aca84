"""The offline optimum: what it keeps, what it pays, and what it leaves to others."""

from __future__ import annotations

from math import nan

import pytest

from autoscaler.core.policy import Prices, Sla
from autoscaler.replay.optimum import budget_spent, every_slice_kept
from autoscaler.replay.score import cost, slices_of
from autoscaler.replay.slices import BAD
from tests.fakes.replayed import course_of, trace_of

SLA = Sla(below=0.8, slice_s=60.0, objective_ratio=0.9)
PRICES = Prices()


def minutes(*vcpus: float) -> list[float]:
    """Six steps for each."""
    return [wanted for wanted in vcpus for _ in range(6)]


def test_the_cost_is_minutes_and_moves_at_their_prices() -> None:
    course = course_of(trace_of(minutes(1, 1, 1)), [1] * 6 + [3] * 6 + [2] * 6)
    assert cost(course, Prices(vcpu_minute=10, add=3, remove=5)) == pytest.approx(60 + 6 + 5)


def test_a_short_lull_is_not_worth_a_removal_and_a_long_one_is() -> None:
    short, long = every_slice_kept(
        [trace_of(minutes(1.5, *[0.1] * 4, 1.5)), trace_of(minutes(1.5, *[0.1] * 6, 1.5))], SLA, PRICES
    ).courses
    assert [len(course.moves) for course in (short, long)] == [0, 2]


def test_moves_come_at_the_ends_of_slices() -> None:
    (course,) = every_slice_kept([trace_of(minutes(0.1, *[1.5] * 9))], SLA, PRICES).courses
    assert [(move.at_s, move.from_vcpus, move.to_vcpus) for move in course.moves] == [(60.0, 1, 2)]


def test_the_last_slice_may_be_cut_short() -> None:
    optimum = every_slice_kept([trace_of([*minutes(0.1), 0.1, 0.1, 0.1])], SLA, PRICES)
    assert optimum.costs == optimum.bounds == (1.5,)


def test_what_nobody_knows_needs_nothing() -> None:
    (course,) = every_slice_kept([trace_of(minutes(0.1, *[nan] * 9))], SLA, PRICES).courses
    assert course.online_vcpus.max() == 1


def test_a_slice_that_the_maximum_cannot_keep_gets_the_maximum() -> None:
    (course,) = every_slice_kept([trace_of(minutes(0.1, 5.0), maximum=3)], SLA, PRICES).courses
    assert course.online_vcpus[-1] == 3


def test_the_budget_goes_where_it_saves_most() -> None:
    trace = trace_of(minutes(*[0.1] * 5, 0.9, *[0.1] * 3, 0.9, 0.9, *[0.1] * 4, 0.9, *[0.1] * 4))
    (course,) = budget_spent([trace], SLA, PRICES).courses
    assert [index for index, outcome in enumerate(slices_of(course, SLA)) if outcome == BAD] == [5, 15]


STEEP = [*minutes(0.1, 0.1), 0.1, 0.1, 0.1, 0.5, 1.4, 1.9, 2.7, 3.4, 4.1, 5.2, 6.0, 6.6, *minutes(0.1)]
"""The third slice has enough in one vCPU, and leaves to the fourth what breaks it."""


def test_a_slice_also_gets_what_it_needs_for_what_it_finds_undone() -> None:
    optimum = every_slice_kept([trace_of(STEEP, maximum=20)], SLA, PRICES)
    assert BAD not in slices_of(optimum.courses[0], SLA)
    assert optimum.costs[0] == optimum.bounds[0] + 3


def test_a_budget_that_lost_slices_have_spent_leaves_the_others_kept() -> None:
    trace = trace_of(minutes(*[0.1] * 4, 9.0, *[0.1] * 4, 1.2), maximum=2)
    (course,) = budget_spent([trace], SLA, PRICES).courses
    assert slices_of(course, SLA)[-1] != BAD


def test_traces_of_any_length_and_size_come_back_in_their_order() -> None:
    traces = [
        trace_of(minutes(*[size / 2] * length), domain=f"{size}-{length}", maximum=size)
        for size in (2, 40, 3, 100)
        for length in (1, 7, 30)
    ]
    optimum = every_slice_kept(traces, SLA, PRICES)
    assert [course.domain for course in optimum.courses] == [trace.domain for trace in traces]
    alone = [every_slice_kept([trace], SLA, PRICES).costs[0] for trace in traces]
    assert list(optimum.costs) == alone
    assert optimum.gap_ratio == pytest.approx(0.0)
