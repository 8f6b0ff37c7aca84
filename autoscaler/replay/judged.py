"""One domain under one strategy: its course, what became of each slice, and the figures made of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from autoscaler.core.policy import Sla
    from autoscaler.replay.compare import Change
    from autoscaler.replay.course import Course
    from autoscaler.replay.score import DomainScore


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """What comparing and drawing start from."""

    start_s: float
    """Seconds since the epoch at which the course begins."""
    sla: Sla
    """What it is judged by."""
    promised: Sla
    """What its own policy promises; differs from `sla` where another policy's promise is held against it."""
    course: Course
    slices: npt.NDArray[np.int8]
    """Shape (slices,), as `score.slices_of` gives them: 0 good, 1 bad, 2 unknown."""
    score: DomainScore


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spending:
    """What one domain spent of its error budget under one strategy."""

    sla: Sla
    slices: npt.NDArray[np.int8]
    """As in `Judged`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of one domain under every strategy; small, for there may be many."""

    domain: str
    scores: Mapping[str, DomainScore]
    """By the strategy's name: the policies first, the optimum last."""
    least_j: float
    """What is proven: a course that keeps the promise costs at least so much; the optimum may cost more."""
    at_lags: Mapping[tuple[str, float], DomainScore]
    """By the strategy's name and the lag."""
    change: Change | None
    """None: the policy is held against no other."""
    spent: Mapping[str, Spending]
    """By the policy's name."""
