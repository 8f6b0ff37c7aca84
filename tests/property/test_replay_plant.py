"""The physics of simulated guests, whatever they want and whenever their vCPUs change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autoscaler.core.policy import Match, Policy, PolicySet
from autoscaler.replay.circumstances import Circumstances, Lag
from autoscaler.replay.plant import BACKLOG_MOST_S, Plant
from autoscaler.replay.trace import Trace
from autoscaler.service.rehearsal import rehearse

STEP_S = 10.0
STEPS = 12

demands = st.lists(
    st.one_of(st.floats(0.0, 20.0), st.just(float("nan"))), min_size=STEPS, max_size=STEPS
).map(np.array)
moves = st.lists(st.tuples(st.floats(0.0, STEPS * STEP_S), st.integers(1, 8)), max_size=8).map(
    lambda found: sorted(dict(found).items())
)
stolen_ratios = st.lists(st.floats(0.0, 0.9), min_size=STEPS, max_size=STEPS).map(np.array)


def trace(domain: str, demand_vcpus: np.ndarray) -> Trace:
    return Trace(
        domain=domain, start_s=0.0, step_s=STEP_S, demand_vcpus=demand_vcpus, maximum=8, recorded_s=STEP_S
    )


def moved(demand_vcpus: np.ndarray, at: list[tuple[float, int]], stolen_ratio: np.ndarray) -> Plant:
    plant = Plant([trace("web", demand_vcpus)], [2], stolen_ratio)
    for when_s, vcpus in at:
        plant.set_online([0], [vcpus], [when_s])
    return plant


@given(demands, moves, stolen_ratios)
def test_no_guest_runs_more_than_its_online_vcpus(
    demand_vcpus: np.ndarray, at: list[tuple[float, int]], stolen_ratio: np.ndarray
) -> None:
    plant = moved(demand_vcpus, at, stolen_ratio)
    for _ in range(STEPS):
        plant.advance()
    (course,) = plant.courses()
    assert np.all(course.busy_vcpus <= course.online_vcpus * (1 - stolen_ratio) + 1e-9)


@given(demands, moves, stolen_ratios)
def test_all_work_is_done_or_waits_or_was_dropped(
    demand_vcpus: np.ndarray, at: list[tuple[float, int]], stolen_ratio: np.ndarray
) -> None:
    plant = moved(demand_vcpus, at, stolen_ratio)
    for step in range(STEPS):
        plant.advance()
        wanted_s = np.nansum(demand_vcpus[: step + 1]) * STEP_S
        assert plant.busy_s[0] + plant.backlog_s[0] + plant.dropped_s[0] == pytest.approx(wanted_s)
        assert 0 <= plant.backlog_s[0] <= BACKLOG_MOST_S * plant.online[0]
        assert 0 <= plant.waiting_ratio[0] <= 1


@given(demands, demands, moves, moves, stolen_ratios)
def test_no_guest_feels_another(
    one: np.ndarray,
    other: np.ndarray,
    at: list[tuple[float, int]],
    other_at: list[tuple[float, int]],
    stolen_ratio: np.ndarray,
) -> None:
    alone = moved(one, at, stolen_ratio)
    both = Plant([trace("db", other), trace("web", one)], [3, 2], stolen_ratio)
    both.set_online([1] * len(at), [vcpus for _, vcpus in at], [when_s for when_s, _ in at])
    both.set_online([0] * len(other_at), [vcpus for _, vcpus in other_at], [when_s for when_s, _ in other_at])
    for _ in range(STEPS):
        alone.advance()
        both.advance()
    one_course, beside = alone.courses()[0], both.courses()[1]
    assert one_course.moves == beside.moves
    assert np.array_equal(one_course.busy_vcpus, beside.busy_vcpus)
    assert np.array_equal(one_course.wanted_vcpus, beside.wanted_vcpus, equal_nan=True)


@settings(max_examples=25)
@example(levels=[(1.0, 9)], lag_s=0.0, missing_ratio=5e-324, seed=0)
@given(
    st.lists(
        st.tuples(st.one_of(st.floats(0.0, 8.0), st.just(float("nan"))), st.integers(1, 30)),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([0.0, 5.0, 10.0, 25.0]),
    st.floats(0.0, 0.5),
    st.integers(0, 3),
)
def test_missing_data_never_shrinks_a_guest(
    levels: list[tuple[float, int]], lag_s: float, missing_ratio: float, seed: int
) -> None:
    demand_vcpus = np.concatenate([np.full(count, level) for level, count in levels])
    world = Circumstances(lag=Lag.fixed(lag_s), missing_ratio=missing_ratio, seed=seed)
    every = PolicySet(policies=(Policy(name="every", match=Match(name=("*",))),), digest="test")
    (course,) = rehearse([trace("web", demand_vcpus)], every, world)
    silent = world.chances("web").missing(len(demand_vcpus)) | np.isnan(demand_vcpus)
    for move in course.moves:
        # A shrink is decided when a sample came, and true at once.
        assert move.to_vcpus > move.from_vcpus or not silent[round(move.at_s / STEP_S) - 1]
