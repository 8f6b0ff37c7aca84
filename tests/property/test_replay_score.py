"""What holds for a score whatever the courses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.policy import Prices, Sla
from autoscaler.replay.course import Course
from autoscaler.replay.optimum import every_slice_kept
from autoscaler.replay.score import score
from autoscaler.replay.trace import Trace
from tests.fakes.replayed import course_of, trace_of

UNIT = settings(derandomize=True, deadline=None, database=None, max_examples=60)

SLA = Sla(below=0.8, slice_s=20.0)
PRICES = Prices()

step = st.tuples(
    st.integers(0, 40).map(lambda tenths: tenths / 10) | st.just(float("nan")), st.integers(1, 6)
)
domains = st.lists(st.lists(step, min_size=1, max_size=8), min_size=1, max_size=4)


def replayed(several: list[list[tuple[float, int]]]) -> tuple[list[Trace], list[Course]]:
    traces = [
        trace_of([demand for demand, _ in steps], domain=f"vm-{number}", maximum=6)
        for number, steps in enumerate(several)
    ]
    courses = [
        course_of(trace, [count for _, count in steps]) for trace, steps in zip(traces, several, strict=True)
    ]
    return traces, courses


@UNIT
@given(several=domains, data=st.data())
def test_the_order_of_domains_changes_nothing(
    several: list[list[tuple[float, int]]], data: st.DataObject
) -> None:
    traces, courses = replayed(several)
    optimum = every_slice_kept(traces, SLA, PRICES).courses
    order = data.draw(st.permutations(range(len(courses))))
    shuffled = [courses[index] for index in order], [optimum[index] for index in order]
    assert score(*shuffled, SLA, PRICES) == score(courses, optimum, SLA, PRICES)


@UNIT
@given(several=domains)
def test_every_slice_counts_once_and_every_share_is_one(several: list[list[tuple[float, int]]]) -> None:
    traces, courses = replayed(several)
    found = score(courses, every_slice_kept(traces, SLA, PRICES).courses, SLA, PRICES)
    for row, steps in zip(found.domains, several, strict=True):
        assert row.good + row.bad + row.unknown == (len(steps) + 1) // 2
    for share in (found.domains_in_slo_ratio, found.bad_ratio, found.tau_u, found.tau_o, found.instability):
        assert 0 <= share <= 1
    assert found.tau_u + found.tau_o <= 1 + 1e-9
    assert found.j_spread.interval[0] <= found.j_over_optimum + 1e-9
    assert found.j_over_optimum == pytest.approx(
        sum(row.j_over_optimum for row in found.domains) / len(found.domains)
    )
