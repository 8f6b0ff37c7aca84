"""Courses made by hand: what a domain wanted and what it had, step by step, and what follows from both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from autoscaler.core.policy import Prices, Sla
from autoscaler.replay.course import Course, Move
from autoscaler.replay.judged import Judged
from autoscaler.replay.score import Yardstick, domain_score, slices_of

STEP_S = 10.0
MAXIMUM = 32
MONDAY_S = 1_704_067_200.0
"""Monday, 1 January 2024, 00:00 UTC."""
SLA = Sla()
Floats = npt.NDArray[np.float64]


def steps(*runs: tuple[float, float]) -> Floats:
    """Values over time, each given with the minutes that it lasts; there are six steps in a minute."""
    return np.concatenate([np.full(round(minutes * 6), value) for value, minutes in runs])


def course(wanted: Floats, online: Floats, domain: str = "web-1", *, step_s: float = STEP_S) -> Course:
    """What became of a domain that wanted this and had that, without a backlog."""
    changes = np.flatnonzero(np.diff(online)) + 1
    return Course(
        domain=domain,
        step_s=step_s,
        maximum=MAXIMUM,
        demand_vcpus=wanted,
        wanted_vcpus=wanted,
        busy_vcpus=np.minimum(np.nan_to_num(wanted), online),
        online_vcpus=online,
        moves=tuple(
            Move(int(step) * step_s, int(online[step - 1]), int(online[step]), "") for step in changes
        ),
    )


def judged(of: Course, optimum: Course | None = None, *, promised: Sla = SLA) -> Judged:
    """The course by the default service level and prices; its own optimum where no other is given."""
    row = domain_score(of, Yardstick.of(optimum or of, SLA, Prices()), SLA, Prices())
    return Judged(
        start_s=MONDAY_S, sla=SLA, promised=promised, course=of, slices=slices_of(of, SLA), score=row
    )


def named(of: Judged, domain: str) -> Judged:
    """The same for a domain of another name."""
    return judged(replace(of.course, domain=domain))
