"""The benchmark of changes for good: what demand it makes, and that its parts leave nothing out."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.core.policy import Prices
from autoscaler.replay.course import Course, Move
from autoscaler.replay.generate import Kind, generate
from autoscaler.replay.score import cost
from tests.bench.regimes import AFTER_S, BEFORE_S, CHANGES, SEED, between, demand
from tests.bench.replay import DAY_S, STEP_S

AT = round(BEFORE_S / STEP_S)


def generated(kind: Kind) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What the first guest of a kind would go on to want if nothing changed."""
    days = (BEFORE_S + AFTER_S) / DAY_S + 0.5
    (trace,) = generate(kind, domains=1, days=days, step_s=STEP_S, seed=SEED)
    return trace.demand_vcpus


@pytest.mark.parametrize(
    ("name", "before", "after", "times", "later"),
    [
        pytest.param("none", Kind.DIURNAL, Kind.DIURNAL, 1.0, 0, id="no change"),
        pytest.param("four-times", Kind.DIURNAL, Kind.DIURNAL, 4.0, 0, id="the level"),
        pytest.param("calm-to-bursty", Kind.DIURNAL, Kind.BURSTY, 1.0, 0, id="the kind"),
        pytest.param("day-for-night", Kind.DIURNAL, Kind.DIURNAL, 1.0, 4320, id="the time of day"),
    ],
)
def test_demand_is_one_kind_up_to_the_change_and_another_from_there_on(
    name: str, before: Kind, after: Kind, times: float, later: int
) -> None:
    found = demand(CHANGES[name], 1)[0].demand_vcpus
    assert len(found) == round((BEFORE_S + AFTER_S) / STEP_S)
    assert np.array_equal(found[:AT], generated(before)[:AT])
    assert np.array_equal(found[AT:], times * generated(after)[AT + later : len(found) + later])


def test_no_two_guests_are_the_same() -> None:
    for change in CHANGES.values():
        assert len({trace.demand_vcpus.tobytes() for trace in demand(change, 4)}) == 4


def test_every_part_of_a_course_counts_once() -> None:
    course = Course(
        domain="guest",
        step_s=10.0,
        maximum=4,
        demand_vcpus=np.ones(6),
        wanted_vcpus=np.ones(6),
        busy_vcpus=np.ones(6),
        online_vcpus=np.array([1.0, 1.0, 2.0, 2.0, 3.0, 2.0]),
        moves=(Move(20.0, 1, 2, ""), Move(40.0, 2, 3, ""), Move(50.0, 3, 2, "")),
    )
    parts = [between(course, 0.0, 20.0), between(course, 20.0, 40.0), between(course, 40.0, 60.0)]
    assert [(part.adds, part.removals) for part in parts] == [(0, 0), (1, 0), (1, 1)]
    assert sum(cost(part, Prices()) for part in parts) == pytest.approx(cost(course, Prices()))
