"""A size for good, chosen by who knows the whole series: what over-provisioning costs when it is done well.

Both rules look at the whole trace before it begins, its future included, which no service can. They never
move.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from autoscaler.core.rounding import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.replay.baselines.baseline import Baseline, Floats, Seen, Vcpus
    from autoscaler.replay.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """A percentile of the demand and a margin on it, rounded up, within the domain's maximum.

    The plain form of right-sizing by a percentile of recorded use. P99.5 and a fifth more is what AWS Compute
    Optimizer does where nothing else is said (PutRecommendationPreferences, utilizationPreferences: threshold
    P99_5, headroom PERCENT_20), the peak what a fearful administrator does.
    """

    name: str
    every_s: ClassVar[float] = inf
    percentile: float
    """Of the demand of all known steps, in 0 to 100."""
    margin_ratio: float = 0.0

    def vcpus(self, demand_vcpus: Floats, maximum: int) -> int:
        """The size for such a demand, NaN where it is not known; from 1 to the domain's maximum."""
        known = demand_vcpus[~np.isnan(demand_vcpus)]
        sized_for = float(np.percentile(known, self.percentile)) if len(known) else 0.0
        return min(max(ceil(sized_for * (1 + self.margin_ratio) - ROUNDING), 1), maximum)

    def begin(self, traces: Sequence[Trace], usual: Vcpus) -> Baseline:
        """Size these domains."""
        sizes = [self.vcpus(trace.demand_vcpus, trace.maximum) for trace in traces]
        return _Fixed(np.array(sizes, dtype=usual.dtype))


PEAK = Hindsight(name="static peak", percentile=100.0)
P995 = Hindsight(name="static P99.5 + 20 %", percentile=99.5, margin_ratio=0.2)


class _Fixed:
    def __init__(self, sizes: Vcpus) -> None:
        self.start = sizes

    def want(self, seen: Seen) -> Vcpus:
        """The same for ever."""
        del seen
        return self.start
