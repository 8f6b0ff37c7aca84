"""Demand of our own making, in five kinds: for trying a policy without a recording.

Invariant: a domain's demand follows from kind, seed and number alone, whatever is made with it.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.replay.noise import chance, wobble
from autoscaler.replay.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

START_S = 1_704_067_200.0
"""Monday, 1 January 2024, 00:00 UTC: generated weeks begin on a Monday."""
_DAY_S = 86_400.0
_HOUR_S = 3_600.0
_WEEK_DAYS, _WORK_DAYS = 7, 5


class Kind(StrEnum):
    """What a generated guest does."""

    DIURNAL = "diurnal"
    """Follows people: a high day, a low night, calmer weekends."""
    BURSTY = "bursty"
    """A steady base under bursts that come at random and last minutes, some of them much higher than most."""
    FLASH_CROWD = "flash-crowd"
    """Quiet days and, about twice a week, a crowd that comes within minutes and stays an hour or so."""
    BATCH = "batch"
    """Nearly nothing between jobs, which start at fixed hours and take whole vCPUs until they are done."""
    IDLE_WITH_SPIKES = "idle-with-spikes"
    """Idle, but for short spikes a few times an hour, as of monitoring and housekeeping."""


def generate(kind: Kind, *, domains: int, days: float, step_s: float, seed: int) -> tuple[Trace, ...]:
    """Make traces, called kind-0001 and so on.

    Args:
        kind: What the guests do.
        domains: How many.
        days: For how long.
        step_s: Length of a step.
        seed: Another one gives other guests of the same kind.
    """
    at_s = np.arange(0.5, round(days * _DAY_S / step_s)) * step_s
    return tuple(_trace(kind, f"{kind}-{number:04d}", at_s, step_s, seed) for number in range(1, domains + 1))


def _trace(kind: Kind, domain: str, at_s: Floats, step_s: float, seed: int) -> Trace:
    rng = chance(seed, domain, "generate")
    demand = _SHAPES[kind](at_s, rng)
    demand *= wobble(rng, len(at_s), step_s)
    peak = float(demand.max(initial=0.0))
    return Trace(
        domain=domain,
        start_s=START_S,
        step_s=step_s,
        demand_vcpus=demand,
        maximum=max(2, math.ceil(2 * peak)),
        recorded_s=step_s,
    )


def _diurnal(at_s: Floats, rng: np.random.Generator) -> Floats:
    night, day = rng.uniform(0.2, 1.0), rng.uniform(1.5, 8.0)
    return night + (day - night) * _waking(at_s, rng)


def _bursty(at_s: Floats, rng: np.random.Generator) -> Floats:
    base, usual = rng.uniform(0.3, 2.0), rng.uniform(0.5, 2.0)
    every_s, lasting_s = rng.uniform(600.0, 3_600.0), rng.uniform(60.0, 300.0)
    starts = _arrivals(at_s, every_s, rng)
    heights = usual * np.minimum(1 + rng.pareto(2.5, len(starts)), 8.0)
    return base + _boxes(at_s, starts, rng.exponential(lasting_s, len(starts)), heights)


def _flash_crowd(at_s: Floats, rng: np.random.Generator) -> Floats:
    quiet = rng.uniform(0.3, 1.0) * (0.5 + _waking(at_s, rng))
    for start_s in _arrivals(at_s, _DAY_S * _WEEK_DAYS / 2, rng, least=1):
        height, rise_s, fall_s = (
            rng.uniform(4.0, 12.0),
            rng.uniform(60.0, 300.0),
            rng.uniform(1_200.0, 5_400.0),
        )
        since_s = np.maximum(at_s - start_s, 0.0)
        quiet += (
            height * np.minimum(since_s / rise_s, 1.0) * np.exp(-np.maximum(since_s - rise_s, 0.0) / fall_s)
        )
    return quiet


def _batch(at_s: Floats, rng: np.random.Generator) -> Floats:
    demand = np.full(len(at_s), rng.uniform(0.02, 0.1))
    days = math.ceil(float(at_s[-1]) / _DAY_S) if len(at_s) else 0
    for hour in rng.choice(24, size=int(rng.integers(1, 5)), replace=False):
        vcpus, usual_s = float(rng.integers(1, 9)), rng.uniform(600.0, 7_200.0)
        starts = _DAY_S * np.arange(days) + _HOUR_S * hour + rng.uniform(0.0, 120.0, days)
        demand += _boxes(at_s, starts, usual_s * rng.uniform(0.8, 1.25, days), np.full(days, vcpus))
    return demand


def _idle_with_spikes(at_s: Floats, rng: np.random.Generator) -> Floats:
    starts = _arrivals(at_s, rng.uniform(600.0, 2_400.0), rng)
    lasting_s, heights = rng.uniform(20.0, 120.0, len(starts)), rng.uniform(0.5, 3.0, len(starts))
    return rng.uniform(0.02, 0.1) + _boxes(at_s, starts, lasting_s, heights)


_SHAPES: dict[Kind, Callable[[Floats, np.random.Generator], Floats]] = {
    Kind.DIURNAL: _diurnal,
    Kind.BURSTY: _bursty,
    Kind.FLASH_CROWD: _flash_crowd,
    Kind.BATCH: _batch,
    Kind.IDLE_WITH_SPIKES: _idle_with_spikes,
}


def _waking(at_s: Floats, rng: np.random.Generator) -> Floats:
    """How much of people's day is on, 0 to 1: highest around noon or later, less at weekends."""
    peak_s, sharpness, weekend = (
        rng.uniform(11.0, 17.0) * _HOUR_S,
        rng.uniform(1.0, 3.0),
        rng.uniform(0.3, 0.8),
    )
    day = ((1 + np.cos(2 * np.pi * (at_s - peak_s) / _DAY_S)) / 2) ** sharpness
    return np.where(at_s // _DAY_S % _WEEK_DAYS < _WORK_DAYS, day, weekend * day)


def _arrivals(at_s: Floats, every_s: float, rng: np.random.Generator, *, least: int = 0) -> Floats:
    """Moments of a Poisson process over the whole time, in order; at least so many."""
    span_s = float(at_s[-1]) if len(at_s) else 0.0
    return np.sort(rng.uniform(0.0, span_s, max(least, rng.poisson(span_s / every_s))))


def _boxes(at_s: Floats, starts: Floats, lasting_s: Floats, heights: Floats) -> Floats:
    """What things add that start, last and end, each a step at least; they add up where they meet."""
    begin = np.searchsorted(at_s, starts)
    end = np.maximum(np.searchsorted(at_s, starts + lasting_s), begin + 1)
    change = np.zeros(len(at_s) + 2)
    np.add.at(change, begin, heights)
    np.add.at(change, np.minimum(end, len(at_s) + 1), -heights)
    return np.maximum(np.cumsum(change[: len(at_s)]), 0.0)
