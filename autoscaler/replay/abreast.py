"""Traces side by side in one plant, whenever they were recorded and however long they are.

Only what knows no time of day may run them so: each begins at time 0, and after the end of a shorter one
nothing is known, nor kept of what became of it.

Invariant: a course has the steps of its trace.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace


def alike(traces: Sequence[Trace]) -> list[list[int]]:
    """The traces' indices, those together that have one step and a like length, to within a factor of two."""
    groups: dict[tuple[float, int], list[int]] = {}
    for row, trace in enumerate(traces):
        groups.setdefault((trace.step_s, len(trace.demand_vcpus).bit_length()), []).append(row)
    return list(groups.values())


def abreast(traces: Sequence[Trace]) -> list[Trace]:
    """The traces as if all began at once and lasted as long as the longest."""
    steps = max(len(trace.demand_vcpus) for trace in traces)
    unknown = np.full(steps, np.nan)
    return [
        replace(
            trace,
            start_s=0.0,
            demand_vcpus=np.concatenate([trace.demand_vcpus, unknown[len(trace.demand_vcpus) :]]),
        )
        for trace in traces
    ]


def cut(course: Course, trace: Trace) -> Course:
    """The course without what came after the trace's end."""
    steps = len(trace.demand_vcpus)
    return replace(
        course,
        demand_vcpus=trace.demand_vcpus,
        wanted_vcpus=course.wanted_vcpus[:steps],
        busy_vcpus=course.busy_vcpus[:steps],
        online_vcpus=course.online_vcpus[:steps],
        moves=tuple(move for move in course.moves if move.at_s < trace.span_s),
    )
