"""The offline optimum against every course there is: none that keeps the promise is cheaper."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.policy import Prices, Sla
from autoscaler.replay.ladder import Ladder, Runs
from autoscaler.replay.optimum import every_slice_kept
from autoscaler.replay.score import cost, slices_of
from autoscaler.replay.slices import BAD
from tests.fakes.replayed import course_of, trace_of

UNIT = settings(derandomize=True, deadline=None, database=None, max_examples=150)

SLA = Sla(below=0.8, slice_s=20.0, objective_ratio=0.75)
TOP = 3

prices = st.builds(
    Prices, vcpu_minute=st.sampled_from([0.5, 1.0, 3.0]), add=st.integers(0, 6), remove=st.integers(0, 6)
)
needs = st.lists(st.integers(1, TOP), min_size=1, max_size=6)
demands = st.lists(st.integers(0, 24).map(lambda tenths: tenths / 10), min_size=2, max_size=10).filter(
    lambda demand: len(demand) % 2 == 0
)


def price_of(path: tuple[int, ...], cost_of: Prices) -> float:
    moves = sum(
        (after - before) * cost_of.add if after > before else (before - after) * cost_of.remove
        for before, after in pairwise(path)
    )
    return moves + sum(path) * cost_of.vcpu_minute


def least(need: list[int], cost_of: Prices) -> float:
    """By trying all courses."""
    return min(
        price_of(path, cost_of)
        for path in product(range(1, TOP + 1), repeat=len(need))
        if all(count >= wants for count, wants in zip(path, need, strict=True))
    )


def ladder_of(several: list[list[int]], cost_of: Prices) -> Ladder:
    return Ladder([Runs.of(np.array(need), np.ones(len(need))) for need in several], cost_of)


@UNIT
@given(several=st.lists(needs, min_size=1, max_size=3), cost_of=prices)
def test_no_course_that_keeps_every_slice_is_cheaper_and_the_path_costs_what_is_said(
    several: list[list[int]], cost_of: Prices
) -> None:
    ladder = ladder_of(several, cost_of)
    found, path = ladder.cost(), ladder.path()
    assert found == pytest.approx([least(need, cost_of) for need in several])
    for column, need in enumerate(several):
        runs = Runs.of(np.array(need), np.ones(len(need)))
        counts = np.repeat(path[: len(runs.needs), column], runs.slices)
        assert (counts >= need).all()
        assert price_of(tuple(counts.tolist()), cost_of) == pytest.approx(found[column])


@UNIT
@given(demand=demands, data=st.data(), cost_of=prices)
def test_no_guest_that_keeps_the_promise_costs_less(
    demand: list[float], data: st.DataObject, cost_of: Prices
) -> None:
    trace = trace_of(demand, maximum=4)
    slices = len(demand) // 2
    counts = data.draw(st.lists(st.integers(1, 4), min_size=slices, max_size=slices))
    course = course_of(trace, [count for count in counts for _ in range(2)])
    if BAD not in slices_of(course, SLA):
        optimum = every_slice_kept([trace], SLA, cost_of)
        assert optimum.bounds[0] <= cost(course, cost_of) + 1e-6
        assert BAD not in slices_of(optimum.courses[0], SLA)


@UNIT
@given(demand=demands, cost_of=prices)
def test_the_course_that_keeps_every_slice_keeps_it_with_what_the_others_leave_undone(
    demand: list[float], cost_of: Prices
) -> None:
    trace = trace_of(demand, maximum=12)
    optimum = every_slice_kept([trace], SLA, cost_of)
    assert BAD not in slices_of(optimum.courses[0], SLA)
    assert cost(optimum.courses[0], cost_of) >= optimum.bounds[0] - 1e-6
