"""Neon's rule: as many vCPUs as keep the load average at a fraction of them.

Source: pkg/agent/core/goalcu.go and pkg/api/vminfo.go of neondatabase/autoscaling: goal = blend / 0.9,
rounded to the nearest. The blend is load5 while load1 is within 25 % of it, load1 from 40 % on, and in
between a mean that goes over from one to the other: the zones that its documentation of the setting gives as
the example (0.25 and 0.15); its own deployment sets both to 0, which makes it load1 alone. Its compute unit
is a vCPU here, memory and cache have no say, and it looks once a step where it polls every 5 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.replay.baselines.baseline import Baseline, Seen, Vcpus
    from autoscaler.replay.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadAverage:
    """The rule."""

    every_s: ClassVar[float] = 5.0
    fraction: float = 0.9
    """Load average per vCPU to keep."""
    stable_ratio: float = 0.25
    mixed_ratio: float = 0.15

    @property
    def name(self) -> str:
        """Its name in tables."""
        return f"load1/load5 blend at {self.fraction:g}"

    def begin(self, traces: Sequence[Trace], usual: Vcpus) -> Baseline:
        """Start anew."""
        del traces
        return _LoadAverage(self, usual)


class _LoadAverage:
    def __init__(self, rule: LoadAverage, start: Vcpus) -> None:
        self.start = self._want = start
        self._rule = rule

    def want(self, seen: Seen) -> Vcpus:
        rule = self._rule
        differ = np.abs(seen.load1 - seen.load5) - rule.stable_ratio * seen.load5
        with np.errstate(divide="ignore", invalid="ignore"):
            # 0 / 0, where zones have no width and both loads are the same, is load5 as much as load1.
            weight = np.nan_to_num(np.clip(differ / (rule.mixed_ratio * seen.load5), 0.0, 1.0))
        goal = (weight * seen.load1 + (1 - weight) * seen.load5) / rule.fraction
        self._want = np.where(seen.known, np.maximum(np.floor(goal + 0.5), 1), self._want).astype(np.int64)
        return self._want
