"""The Kubernetes HorizontalPodAutoscaler, with a vCPU in the place of a replica.

Source: "Horizontal Pod Autoscaling" in the Kubernetes documentation and pkg/controller/podautoscaler of
kubernetes/kubernetes (replica_calculator.go, horizontal.go, config/v1alpha1/defaults.go): every 15 s desired
= ceil(current x utilisation / target), and current where utilisation / target is within 10 % of 1; the
highest of the recommendations of the last 300 s holds a shrink up; a growth at most doubles or adds 4,
whichever is more, in 15 s; a shrink has no such limit. At its start the count that is found counts as a
recommendation. Utilisation is the mean since the last sync; where no sample came the sync changes nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from autoscaler.core.rounding import ROUNDING
from autoscaler.replay.baselines.baseline import Poll

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.replay.baselines.baseline import Baseline, Flags, Floats, Seen, Vcpus
    from autoscaler.replay.trace import Trace

_STEP_FLOOR_VCPUS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Hpa:
    """The rule."""

    every_s: ClassVar[float] = 15.0
    target_ratio: float = 0.65
    tolerance_ratio: float = 0.10
    stabilization_s: float = 300.0

    @property
    def name(self) -> str:
        """Its name in tables."""
        return f"HPA v2 at {self.target_ratio * 100:g} %"

    def begin(self, traces: Sequence[Trace], usual: Vcpus) -> Baseline:
        """Start anew."""
        del traces
        return _Hpa(self, usual)


class _Hpa:
    def __init__(self, rule: Hpa, start: Vcpus) -> None:
        self.start = self._want = start
        self._rule, self._poll = rule, Poll(len(start))
        self._recommended = deque([(0.0, start)])
        """When and what, within the stabilisation window."""

    def want(self, seen: Seen) -> Vcpus:
        desired, known = self._desired(seen.online, self._poll.look(seen)[1])
        self._recommended.append((seen.now_s, desired))
        while self._recommended[0][0] < seen.now_s - self._rule.stabilization_s:
            self._recommended.popleft()
        highest = reduce(np.maximum, (vcpus for _, vcpus in self._recommended))
        settled = np.where(desired >= seen.online, desired, np.minimum(highest, seen.online))
        limit = np.maximum(2 * seen.online, seen.online + _STEP_FLOOR_VCPUS)
        self._want = np.where(known, np.minimum(settled, limit), self._want)
        return self._want

    def _desired(self, online: Vcpus, use_ratio: Floats) -> tuple[Vcpus, Flags]:
        """What the utilisation alone asks for, and where it is known."""
        known = ~np.isnan(use_ratio)
        over = np.where(known, use_ratio, 0.0) / self._rule.target_ratio
        desired = np.ceil(online * over - ROUNDING).astype(np.int64)
        # A pod autoscaler that lacks its metric recommends nothing; what it found stands in for that.
        steady = ~known | (np.abs(1 - over) <= self._rule.tolerance_ratio + ROUNDING)
        return np.maximum(np.where(steady, online, desired), 1), known
