"""How closely supply follows demand: the elasticity figures of the SPEC Research Group.

Source: Herbst et al., "Ready for Rain? A View from SPEC Research on the Future of Cloud Metrics",
SPEC-RG-2016-01, and "Quantifying Cloud Performance and Dependability", ACM TOMPECS 3(4), 2018. Demand d is
the fewest vCPUs that keep the service level in a slice, supply s the vCPUs online; over the known time T:

    theta_u = 1/T sum of max(d - s, 0) / d x dt     theta_o = 1/T sum of max(s - d, 0) / d x dt
    tau_u = 1/T sum of [s < d] x dt                 tau_o = 1/T sum of [s > d] x dt
    instability = 1/(T - t1) sum of [sgn(change of s) != sgn(change of d)] x dt

Accuracy is normalised by the demand at the time, so that domains of all sizes can be averaged; the authors'
earlier tool, BUNGEE, leaves it in units of the resource, and others divide what is too much by the supply.
All are ratios where the papers have percents. Theta and tau are taken step by step; instability from slice to
slice, supply as it is at a slice's end, for within a slice demand does not change.

Invariant: all are 0 where supply is the demand at every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.replay.slices import UNKNOWN, by_slice, judged, needed_vcpus, steps_of_slice

if TYPE_CHECKING:
    from autoscaler.core.policy import Sla
    from autoscaler.replay.course import Course
    from autoscaler.replay.slices import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Elasticity:
    """The figures of one domain."""

    theta_u: float
    """VCPUs that lacked, over those needed; the mean over time."""
    theta_o: float
    """VCPUs too many, over those needed; the mean over time."""
    tau_u: float
    """Share of the time in which some lacked."""
    tau_o: float
    """Share of the time in which there were too many."""
    instability: float
    """Share of the time in which supply and demand did not move the same way."""


def elasticity(course: Course, needed: Floats, sla: Sla) -> Elasticity:
    """The figures of a course for what `needed_by` it; all 0 where no demand is known."""
    steps = steps_of_slice(sla, course.step_s)
    known = judged(by_slice(course.demand_vcpus, steps), np.inf) != UNKNOWN
    demand = np.repeat(np.where(known, needed, np.nan), steps)[: len(course.online_vcpus)]
    lack = (demand - course.online_vcpus) / demand
    last_steps = np.minimum(np.arange(1, len(needed) + 1) * steps, len(course.online_vcpus)) - 1
    supply = course.online_vcpus[last_steps]
    apart = (np.sign(np.diff(supply)) != np.sign(np.diff(needed)))[known[1:] & known[:-1]]
    return Elasticity(
        theta_u=_mean(np.maximum(lack, 0.0)),
        theta_o=_mean(np.maximum(-lack, 0.0)),
        tau_u=_mean(np.where(np.isnan(lack), np.nan, lack > 0)),
        tau_o=_mean(np.where(np.isnan(lack), np.nan, lack < 0)),
        instability=_mean(apart.astype(np.float64)),
    )


def needed_by(course: Course, sla: Sla) -> Floats:
    """Demand in vCPUs, shape (slices,), whatever the domain's maximum; all courses of a domain share it."""
    peak = float(np.max(np.nan_to_num(course.demand_vcpus), initial=0.0))
    enough = ceil((peak + 1) / min(sla.below, 1.0)) + 1
    return needed_vcpus(course.demand_vcpus, course.step_s, sla, enough).astype(np.float64)


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0
