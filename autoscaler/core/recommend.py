"""Strategies: from a load to the number of vCPUs that would serve it, before any limit.

A strategy answers what it would do with no memory of what was done; holding back is `stabilize`'s work.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from autoscaler.core.reason import Reason

if TYPE_CHECKING:
    from autoscaler.core.demand import Load
    from autoscaler.core.policy import TargetStrategy

_ROUNDING = 1e-9
"""Keeps a quotient that is whole but for its last bit from being rounded up to the next vCPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """vCPUs wanted, and why."""

    vcpus: int
    reason: Reason


def by_target(load: Load, strategy: TargetStrategy) -> Recommendation:
    """The rule of the Kubernetes HorizontalPodAutoscaler, on vCPUs: ceil(demand / target utilisation).

    Inside the tolerance of the target the vCPUs online are right as they are; at saturation there is no
    tolerance for too few of them, for demand is only known to be at least so high.
    """
    wanted = max(1, ceil(load.demand_vcpus / strategy.utilization_ratio - _ROUNDING))
    usage = load.demand_vcpus / (load.online * strategy.utilization_ratio)
    if wanted == load.online:
        return Recommendation(vcpus=wanted, reason=Reason.STEADY)
    if abs(usage - 1) <= strategy.tolerance_ratio and (wanted < load.online or not load.saturated):
        return Recommendation(vcpus=load.online, reason=Reason.TOLERANCE)
    return Recommendation(
        vcpus=wanted, reason=Reason.DEMAND_HIGH if wanted > load.online else Reason.DEMAND_LOW
    )
