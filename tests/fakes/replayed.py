"""Traces and courses made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoscaler.replay.course import Course
from autoscaler.replay.prescribed import prescribed
from autoscaler.replay.trace import Trace

STEP_S = 10.0


def trace_of(
    demand: Sequence[float], *, domain: str = "web", maximum: int = 8, step_s: float = STEP_S
) -> Trace:
    """A trace of these vCPUs, step by step."""
    return Trace(
        domain=domain,
        start_s=0.0,
        step_s=step_s,
        demand_vcpus=np.array(demand, dtype=np.float64),
        maximum=maximum,
        recorded_s=step_s,
    )


def course_of(trace: Trace, counts: Sequence[int]) -> Course:
    """What becomes of the trace with these vCPUs, step by step."""
    return prescribed([trace], [np.array(counts)])[0]
