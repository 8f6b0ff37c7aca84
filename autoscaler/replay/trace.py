"""One domain's demand over time: what every replay starts from, wherever it was recorded.

Invariant: a trace lies on an even grid; what was not recorded is NaN, never a zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """The demand of one domain."""

    domain: str
    start_s: float
    """Seconds since the epoch at which the first step begins."""
    step_s: float
    """Length of a step."""
    demand_vcpus: npt.NDArray[np.float64]
    """Shape (steps,): vCPUs wanted, the mean over each step; NaN: not recorded."""
    maximum: int
    """The most vCPUs that the domain can have; demand may be above it."""
    recorded_s: float
    """Interval of the recording. Longer than a step: what lies between was made up, and flatters every
    strategy that reacts."""

    @property
    def interpolated(self) -> bool:
        """Whether steps lie between what was recorded."""
        return self.recorded_s > self.step_s

    @property
    def span_s(self) -> float:
        """How long it is."""
        return self.step_s * len(self.demand_vcpus)
