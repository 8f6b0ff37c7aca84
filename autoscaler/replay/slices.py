"""How a slice of a service level is judged in a replay, where what the guest wanted is known.

The meaning is that of `core/slo.py`, held against the truth instead of against samples: a slice is bad where
the mean of the indicator over its known steps reaches the limit, and unknown where less than `KNOWN_RATIO` of
its steps are known. Slices are aligned to the start of the trace; a step that is longer than a slice is one.

Invariant: more vCPUs never make a slice worse, so there is a fewest that keep it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autoscaler.core.demand import DEMAND_CAP
from autoscaler.core.policy import Indicator
from autoscaler.replay.plant import BACKLOG_MOST_S
from autoscaler.replay.start import KNOWN_RATIO

if TYPE_CHECKING:
    import numpy.typing as npt

    from autoscaler.core.policy import Sla

    Floats = npt.NDArray[np.float64]

GOOD, BAD, UNKNOWN = 0, 1, 2
"""What becomes of a slice."""


def steps_of_slice(sla: Sla, step_s: float) -> int:
    """How many steps a slice has, at least one."""
    return max(1, round(sla.slice_s / step_s))


def by_slice(values: Floats, steps: int) -> Floats:
    """The values of all steps, shape (all steps,), as shape (slices, steps); what lacks at the end is NaN."""
    slices = -(-len(values) // steps)
    padded = np.full(slices * steps, np.nan)
    padded[: len(values)] = values
    return padded.reshape(slices, steps)


def indicated(indicator: Indicator, wanted_vcpus: Floats, online_vcpus: Floats) -> Floats:
    """What the indicator of a service level says of steps; NaN where it is not known what was wanted.

    Utilisation counts demand up to `DEMAND_CAP` times the online vCPUs, as the service does.
    """
    if indicator is Indicator.RUN_QUEUE:
        return np.rint(wanted_vcpus) / online_vcpus
    if indicator is Indicator.PRESSURE:
        return np.where(np.isnan(wanted_vcpus), np.nan, wanted_vcpus > online_vcpus)
    return np.minimum(wanted_vcpus / online_vcpus, DEMAND_CAP)


def judged(values: Floats, below: float) -> npt.NDArray[np.int8]:
    """Judge slices by the indicator's values of their steps, shape (slices, steps): shape (slices,)."""
    known = np.count_nonzero(~np.isnan(values), axis=1)
    means = np.nansum(values, axis=1) / np.maximum(known, 1)
    outcomes = np.where(means >= below, BAD, GOOD)
    return np.where(known < KNOWN_RATIO * values.shape[1], UNKNOWN, outcomes).astype(np.int8)


def needed_vcpus(
    demand_vcpus: Floats, step_s: float, sla: Sla, maximum: int, waiting_vcpus: Floats | float = 0.0
) -> npt.NDArray[np.int64]:
    """The fewest vCPUs that keep each slice, shape (slices,).

    1 for a slice that is unknown whatever the guest runs, one more than the maximum for one that even the
    maximum does not keep. The demand is given by step, NaN where it is not known; `waiting_vcpus` is what
    each slice finds undone when it begins, as vCPUs that its first step wants besides.
    """
    demand_vcpus = by_slice(demand_vcpus, steps_of_slice(sla, step_s))
    fewest = np.ones(len(demand_vcpus), dtype=np.int64)
    most = np.full(len(demand_vcpus), maximum + 1)
    while np.any(fewest < most):
        middle = (fewest + most) // 2
        kept = _outcomes(demand_vcpus, middle.astype(np.float64), sla, step_s, waiting_vcpus) != BAD
        fewest, most = np.where(kept, fewest, np.minimum(middle + 1, most)), np.where(kept, middle, most)
    return fewest


def left_undone(demand_vcpus: Floats, online: int, step_s: float, waiting_vcpus: float) -> float:
    """What a slice with these vCPUs leaves to the next, as `waiting_vcpus` of `needed_vcpus`."""
    for new_vcpus in np.nan_to_num(demand_vcpus).tolist():
        waiting_vcpus = min(max(new_vcpus + waiting_vcpus - online, 0.0), BACKLOG_MOST_S / step_s * online)
    return waiting_vcpus


def _outcomes(
    demand_vcpus: Floats, online: Floats, sla: Sla, step_s: float, waiting_vcpus: Floats | float
) -> npt.NDArray[np.int8]:
    """What becomes of slices, each with its own vCPUs; work waits within them as in the plant."""
    values = np.empty_like(demand_vcpus)
    most_vcpus = BACKLOG_MOST_S / step_s * online
    for step, new_vcpus in enumerate(demand_vcpus.T):
        work_vcpus = np.nan_to_num(new_vcpus) + waiting_vcpus
        values[:, step] = indicated(sla.indicator, np.where(np.isnan(new_vcpus), np.nan, work_vcpus), online)
        waiting_vcpus = np.clip(work_vcpus - online, 0.0, most_vcpus)
    return judged(values, sla.below)
