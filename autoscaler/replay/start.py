"""How many vCPUs a domain has when a replay begins: as many for every strategy, so that none is ahead."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.core.policy import Indicator

if TYPE_CHECKING:
    from autoscaler.core.policy import Sla
    from autoscaler.replay.trace import Trace

KNOWN_RATIO = 0.5
"""A slice of which less is recorded is unknown."""


def start_vcpus(trace: Trace, sla: Sla, *, least: int = 1) -> int:
    """The fewest vCPUs that keep the first known slice of a trace by its mean demand.

    At least `least`, at most the domain's maximum; where no slice is known, the fewest that may be. For a
    service level over pressure it is enough that the demand finds its vCPUs.
    """
    demand_vcpus = _first_known(trace, sla.slice_s)
    below = 1.0 if sla.indicator is Indicator.PRESSURE else sla.below
    fewest = floor(demand_vcpus / below) + 1  # Demand at the limit breaks it.
    return min(max(fewest, least), trace.maximum)


def _first_known(trace: Trace, slice_s: float) -> float:
    """Mean demand of the first known slice; 0: none is known."""
    steps = max(1, round(slice_s / trace.step_s))
    for begin in range(0, len(trace.demand_vcpus), steps):
        demand_vcpus = trace.demand_vcpus[begin : begin + steps]
        known = demand_vcpus[~np.isnan(demand_vcpus)]
        if len(known) and len(known) >= KNOWN_RATIO * len(demand_vcpus):
            return float(np.mean(known))
    return 0.0
