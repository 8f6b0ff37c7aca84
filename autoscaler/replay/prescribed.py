"""Courses of counts that stand beforehand, and so see no delay, no missing sample and no refusal.

Invariant: guests fare as they do under any strategy, for it is the same plant that they run in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autoscaler.replay.abreast import abreast, alike, cut
from autoscaler.replay.plant import Plant

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace


def prescribed(traces: Sequence[Trace], counts: Sequence[npt.NDArray[np.int64]]) -> list[Course]:
    """Run each domain with these vCPUs, given for each of its steps, shape (steps,); in the traces' order."""
    courses: dict[int, Course] = {}
    for rows in alike(traces):
        plant = Plant(abreast([traces[row] for row in rows]), [int(counts[row][0]) for row in rows])
        for place, row in enumerate(rows):
            for step in np.flatnonzero(np.diff(counts[row])) + 1:
                plant.move(place, int(counts[row][step]), int(step) * plant.step_s)
        for _ in range(plant.steps):
            plant.advance()
        for row, course in zip(rows, plant.courses(), strict=True):
            courses[row] = cut(course, traces[row])
    return [courses[row] for row in range(len(traces))]
