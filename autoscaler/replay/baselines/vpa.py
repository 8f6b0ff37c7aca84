"""The recommender of the Kubernetes VerticalPodAutoscaler: a percentile of a fading histogram, with a margin.

Source: vertical-pod-autoscaler/pkg/recommender of kubernetes/autoscaler (model/aggregations_config.go,
model/aggregate_container_state.go, util/histogram_options.go, util/decaying_histogram.go,
logic/recommender.go, config/config.go): one sample of the use a minute; buckets from 0.01 cores on, each 5 %
wider than the one before; a sample loses half of its weight in 24 hours; the recommendation is the upper end
of the bucket that holds the 90th percentile, and 15 % more. All samples of a time weigh the same, as they do
since version 1.4.0; before, each weighed as much as the cores that were requested then, which forgot quicker
what was used under smaller requests.

The guest gets the recommendation, rounded up, as soon as it changes. Left out is what the updater
(pkg/updater) waits for, because it evicts pods: it looks once a minute, and within 12 hours of a pod's start
acts only where the request is outside the recommended bounds, a lower one at the 50th and an upper one at the
95th percentile, both widened while the history is short; after that also where it differs by 10 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from autoscaler.core.rounding import ROUNDING
from autoscaler.replay.baselines.baseline import Poll

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.replay.baselines.baseline import Baseline, Floats, Seen, Vcpus
    from autoscaler.replay.trace import Trace

_FIRST_CORES = 0.01
_GROWTH = 1.05
_MOST_CORES = 1000.0
_HALF_LIFE_S = 86400.0
_MARGIN_RATIO = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Vpa:
    """The rule."""

    every_s: ClassVar[float] = 60.0
    percentile_ratio: float = 0.90

    @property
    def name(self) -> str:
        """Its name in tables."""
        return f"VPA histogram P{self.percentile_ratio * 100:g}"

    def begin(self, traces: Sequence[Trace], usual: Vcpus) -> Baseline:
        """Start anew."""
        del traces
        return _Vpa(self.percentile_ratio, usual)


class _Vpa:
    def __init__(self, percentile_ratio: float, start: Vcpus) -> None:
        self.start = self._want = start
        self._percentile_ratio = percentile_ratio
        self._poll = Poll(len(start))
        self._ends = _bucket_ends()
        self._weights = np.zeros((len(start), len(self._ends)))
        """Of the buckets, each sample by how late it came: 1 at the start, twice that a half-life later."""
        self._rows = np.arange(len(start))

    def want(self, seen: Seen) -> Vcpus:
        use_vcpus, _ = self._poll.look(seen)
        known = ~np.isnan(use_vcpus)
        self._add(use_vcpus[known], self._rows[known], seen.now_s)
        self._want = np.where(known, self._recommended(), self._want)
        return self._want

    def _add(self, use_vcpus: Floats, rows: Vcpus, now_s: float) -> None:
        buckets = np.searchsorted(self._ends, use_vcpus, side="right")
        self._weights[rows, np.minimum(buckets, len(self._ends) - 1)] += np.exp2(now_s / _HALF_LIFE_S)

    def _recommended(self) -> Vcpus:
        reached = np.cumsum(self._weights, axis=1)
        bucket = np.argmax(reached >= self._percentile_ratio * reached[:, -1:], axis=1)
        rounded: Vcpus = np.ceil(self._ends[bucket] * (1 + _MARGIN_RATIO) - ROUNDING).astype(np.int64)
        return rounded


def _bucket_ends() -> Floats:
    """The upper ends of the buckets, in cores; the last begins at or above `_MOST_CORES`."""
    count = int(np.ceil(np.log(_MOST_CORES * (_GROWTH - 1) / _FIRST_CORES + 1) / np.log(_GROWTH))) + 1
    ends: Floats = _FIRST_CORES * (_GROWTH ** np.arange(1.0, count + 1) - 1) / (_GROWTH - 1)
    return ends
