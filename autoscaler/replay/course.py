"""What a strategy made of one trace: the vCPUs it had, what they did, and each move. What is scored.

Invariant: every strategy's course over a trace has the same steps and the same demand, so that they compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Move:
    """One change of the vCPUs that a guest runs."""

    at_s: float
    """Seconds since the trace's start at which it was true in the guest."""
    from_vcpus: int
    to_vcpus: int
    reason: str
    """Why; empty where the strategy gives no reasons."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """What became of one domain; arrays have the shape (steps,)."""

    domain: str
    step_s: float
    maximum: int
    """The most vCPUs that the domain can have."""
    demand_vcpus: npt.NDArray[np.float64]
    """As recorded; NaN: not known."""
    wanted_vcpus: npt.NDArray[np.float64]
    """Demand, and what was left undone of the steps before; NaN: not known."""
    busy_vcpus: npt.NDArray[np.float64]
    """What ran."""
    online_vcpus: npt.NDArray[np.float64]
    """VCPUs that the guest ran, the mean over each step."""
    moves: tuple[Move, ...]
    """In order."""

    @property
    def adds(self) -> int:
        """VCPUs that came, in all moves."""
        return sum(max(move.to_vcpus - move.from_vcpus, 0) for move in self.moves)

    @property
    def removals(self) -> int:
        """VCPUs that went, in all moves."""
        return sum(max(move.from_vcpus - move.to_vcpus, 0) for move in self.moves)
