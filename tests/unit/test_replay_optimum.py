"""The offline optimum: what it keeps, what it pays, and what it leaves to others."""

from __future__ import annotations

from itertools import product
from math import nan

import numpy as np
import pytest

from autoscaler.core.policy import Prices, Sla
from autoscaler.replay.course import Course
from autoscaler.replay.optimum import Optimum, every_slice_kept
from autoscaler.replay.score import cost, slices_of
from autoscaler.replay.slices import BAD
from tests.fakes.replayed import course_of, trace_of

SLA = Sla(below=0.8, slice_s=60.0, objective_ratio=0.9)
PRICES = Prices()


def bad(course: Course) -> int:
    return int(np.count_nonzero(slices_of(course, SLA) == BAD))


def costs(optimum: Optimum) -> tuple[float, ...]:
    return tuple(cost(course, PRICES) for course in optimum.courses)


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
    assert costs(optimum) == optimum.bounds == (1.5,)


def test_what_nobody_knows_needs_nothing() -> None:
    (course,) = every_slice_kept([trace_of(minutes(0.1, *[nan] * 9))], SLA, PRICES).courses
    assert course.online_vcpus.max() == 1


def test_a_slice_that_the_maximum_cannot_keep_gets_the_maximum() -> None:
    (course,) = every_slice_kept([trace_of(minutes(0.1, 5.0), maximum=3)], SLA, PRICES).courses
    assert course.online_vcpus[-1] == 3


STEEP = [*minutes(0.1, 0.1), 0.1, 0.1, 0.1, 0.5, 1.4, 1.9, 2.7, 3.4, 4.1, 5.2, 6.0, 6.6, *minutes(0.1)]
"""The third slice has enough in one vCPU, and leaves to the fourth what breaks it."""


def test_a_slice_also_gets_what_it_needs_for_what_it_finds_undone() -> None:
    optimum = every_slice_kept([trace_of(STEEP, maximum=20)], SLA, PRICES)
    assert BAD not in slices_of(optimum.courses[0], SLA)
    assert costs(optimum)[0] == optimum.bounds[0] + 3


@pytest.mark.parametrize("maximum", [2, 3, 4])
def test_a_slice_that_the_maximum_keeps_only_if_little_is_left_to_it_has_the_one_before_leave_less(
    maximum: int,
) -> None:
    trace = trace_of([0.2] * 5 + [8.0] + [1.2] * 6 + [0.2] * 6, maximum=maximum)
    optimum = every_slice_kept([trace], SLA, PRICES)
    courses = [
        course_of(trace, [count for count in counts for _ in range(6)])
        for counts in product(range(1, maximum + 1), repeat=3)
    ]
    fewest_bad = min(map(bad, courses))
    assert bad(optimum.courses[0]) == fewest_bad
    assert costs(optimum)[0] == min(cost(course, PRICES) for course in courses if bad(course) == fewest_bad)


def test_traces_of_any_length_and_size_come_back_in_their_order() -> None:
    traces = [
        trace_of(minutes(*[size / 2] * length), domain=f"{size}-{length}", maximum=size)
        for size in (2, 40, 3, 100)
        for length in (1, 7, 30)
    ]
    optimum = every_slice_kept(traces, SLA, PRICES)
    assert [course.domain for course in optimum.courses] == [trace.domain for trace in traces]
    alone = [costs(every_slice_kept([trace], SLA, PRICES))[0] for trace in traces]
    assert list(costs(optimum)) == alone
    assert costs(optimum) == pytest.approx(optimum.bounds)
