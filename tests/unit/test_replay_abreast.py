"""Traces side by side that began at other times and ended at others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autoscaler.replay.abreast import alike
from autoscaler.replay.prescribed import prescribed
from tests.fakes.replayed import course_of, trace_of

SHORT = trace_of([0.5, 2.5], domain="short")
LONG = replace(trace_of([0.5, 0.5, 0.5], domain="long"), start_s=1e9)


def test_each_fares_as_it_would_alone_and_for_as_long() -> None:
    counts = [np.array([1, 2]), np.array([1, 1, 2])]
    for course, trace, online in zip(prescribed([SHORT, LONG], counts), [SHORT, LONG], counts, strict=True):
        alone = course_of(trace, online.tolist())
        assert course.moves == alone.moves
        for name in ("demand_vcpus", "wanted_vcpus", "busy_vcpus", "online_vcpus"):
            assert np.array_equal(getattr(course, name), getattr(alone, name))


def test_only_traces_with_one_step_and_a_like_length_are_put_together() -> None:
    other_step, longer = trace_of([0.5, 0.5], step_s=60.0), trace_of([0.5] * 100)
    assert alike([SHORT, other_step, LONG, longer]) == [[0, 2], [1], [3]]
