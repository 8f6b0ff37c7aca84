"""Demand of our own making: repeatable, and what each kind says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.replay.generate import START_S, Kind, generate

EVERY_KIND = pytest.mark.parametrize("kind", Kind)
DAY_STEPS = 1440
"""Of a minute."""


def demands(kind: Kind, domains: int = 20) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Shape (domains, steps): a week in steps of a minute."""
    return np.stack([t.demand_vcpus for t in generate(kind, domains=domains, days=7, step_s=60, seed=1)])


@EVERY_KIND
def test_a_domain_is_the_same_whatever_is_made_with_it(kind: Kind) -> None:
    few = generate(kind, domains=2, days=1, step_s=10, seed=7)
    more = generate(kind, domains=5, days=1, step_s=10, seed=7)

    assert [trace.domain for trace in few] == [f"{kind}-0001", f"{kind}-0002"]
    assert few[1].demand_vcpus.tolist() == more[1].demand_vcpus.tolist()
    assert few[0].demand_vcpus.tolist() != few[1].demand_vcpus.tolist()


@EVERY_KIND
def test_another_seed_makes_other_guests(kind: Kind) -> None:
    first, second = (generate(kind, domains=1, days=1, step_s=10, seed=seed)[0] for seed in (1, 2))

    assert first.demand_vcpus.tolist() != second.demand_vcpus.tolist()


@EVERY_KIND
def test_demand_is_what_a_guest_can_want_and_fits_twice_into_its_maximum(kind: Kind) -> None:
    for trace in generate(kind, domains=20, days=2, step_s=10, seed=1):
        assert len(trace.demand_vcpus) == 2 * 8640
        assert np.isfinite(trace.demand_vcpus).all()
        assert trace.demand_vcpus.min() >= 0
        assert 2 <= trace.maximum <= 128
        assert 2 * trace.demand_vcpus.max() <= trace.maximum
        assert (trace.start_s, trace.step_s, trace.interpolated) == (START_S, 10, False)


@EVERY_KIND
def test_steps_are_noisy_as_recorded_ones_are(kind: Kind) -> None:
    for trace in generate(kind, domains=5, days=1, step_s=10, seed=1):
        jumps = np.abs(np.diff(np.log(trace.demand_vcpus)))
        assert 0.03 < np.median(jumps) < 0.15


def test_days_are_higher_than_nights_and_weekends_calmer() -> None:
    days = demands(Kind.DIURNAL).reshape(20, 7, DAY_STEPS)

    assert (days.max(axis=2) > 1.5 * days.min(axis=2)).all()
    assert days[:, :5].mean() > 1.2 * days[:, 5:].mean()


def test_bursts_are_short_and_some_are_much_higher_than_most() -> None:
    demand = demands(Kind.BURSTY)
    above = demand > 1.5 * np.median(demand, axis=1, keepdims=True)

    assert 0.01 < above.mean() < 0.5
    assert np.median(demand.max(axis=1) / np.median(demand, axis=1)) > 4


def test_a_crowd_comes_within_minutes_and_stays_for_an_hour_or_so() -> None:
    demand = demands(Kind.FLASH_CROWD)
    crowded = demand > demand.max(axis=1, keepdims=True) / 2
    peak = demand.argmax(axis=1)
    before = np.array([row[max(0, at - 10)] for row, at in zip(demand, peak, strict=True)])

    assert (crowded.mean(axis=1) < 0.1).all()
    assert np.median(demand.max(axis=1) / before) > 3


def test_jobs_take_whole_vcpus_at_the_same_hours_each_day() -> None:
    days = demands(Kind.BATCH).reshape(20, 7, DAY_STEPS)
    busy = days > 0.5

    assert 0.005 < busy.mean() < 0.6
    assert np.corrcoef(busy[:, 0].ravel(), busy[:, 1].ravel())[0, 1] > 0.7


def test_an_idle_guest_is_idle_between_short_spikes() -> None:
    demand = demands(Kind.IDLE_WITH_SPIKES)

    assert np.median(demand) < 0.15
    assert np.median(demand.max(axis=1)) > 1
    assert 0.005 < (demand > 0.5).mean() < 0.2
