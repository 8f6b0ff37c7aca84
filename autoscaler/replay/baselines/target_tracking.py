"""Target tracking as clouds offer it: a quick alarm to grow, a slow one to shrink, capacity by proportion.

Source: the user guides of AWS Application Auto Scaling ("How target tracking scaling works") and of Alibaba
Cloud Auto Scaling ("Target tracking scaling rules"), which agree: means over a minute; above the target for 3
minutes in a row it grows to current x metric / target, rounded up; for 15 minutes in a row below it shrinks
likewise, so that less is removed than would fit. AWS shrinks from 90 % of the target on (its alarms for ECS
services show that), and 300 s after a shrink at the earliest, its default for ECS. What the metric is taken
from is not documented: here it is the mean of the alarm's minutes. A minute without a sample is no minute of
an alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from autoscaler.replay.baselines.baseline import ROUNDING, Poll

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.replay.baselines.baseline import Baseline, Seen, Vcpus
    from autoscaler.replay.trace import Trace

_HIGH_MINUTES = 3
_LOW_MINUTES = 15
_LOW_SHARE = 0.9
_COOLDOWN_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTracking:
    """The rule."""

    every_s: ClassVar[float] = 60.0
    target_ratio: float = 0.65

    @property
    def name(self) -> str:
        """Its name in tables."""
        return f"target tracking at {self.target_ratio * 100:g} %"

    def begin(self, traces: Sequence[Trace], usual: Vcpus) -> Baseline:
        """Start anew."""
        del traces
        return _TargetTracking(self.target_ratio, usual)


class _TargetTracking:
    def __init__(self, target_ratio: float, start: Vcpus) -> None:
        self.start = self._want = start
        self._target_ratio = target_ratio
        self._poll = Poll(len(start))
        self._use_ratios = np.full((_LOW_MINUTES, len(start)), np.nan)
        """Of the last minutes, the latest first."""
        self._shrunk_at_s = np.full(len(start), -np.inf)

    def want(self, seen: Seen) -> Vcpus:
        self._use_ratios = np.concatenate([self._poll.look(seen)[1][None], self._use_ratios[:-1]])
        # A comparison with a minute that is NaN fails, so that it breaks a row.
        recent = self._use_ratios[:_HIGH_MINUTES]
        high = np.all(recent > self._target_ratio, axis=0)
        low = np.all(self._use_ratios < _LOW_SHARE * self._target_ratio, axis=0)
        metric = np.where(high, recent.mean(axis=0), self._use_ratios.mean(axis=0))
        fitting = np.ceil(seen.online * np.where(high | low, metric, 0.0) / self._target_ratio - ROUNDING)
        fitting = np.maximum(fitting, 1).astype(np.int64)
        shrinks = low & (fitting < seen.online) & (seen.now_s >= self._shrunk_at_s + _COOLDOWN_S)
        self._shrunk_at_s[shrinks] = seen.now_s
        self._want = np.where(high | shrinks, fitting, self._want)
        return self._want
