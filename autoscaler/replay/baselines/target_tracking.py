"""Target tracking as clouds offer it: a quick alarm to grow, a slow one to shrink, capacity by proportion.

Source: the user guides of AWS Application Auto Scaling ("How target tracking scaling works", "Define cooldown
periods") and of Alibaba Cloud Auto Scaling ("Target tracking scaling rules"), which agree: means over a
minute; above the target for 3 minutes in a row it grows to current x metric / target, rounded up; for 15
minutes in a row below it shrinks likewise, so that less is removed than would fit. AWS shrinks from 90 % of
the target on (its alarms for ECS services show that). Its cooldowns are those that ECS has by default: for
300 s after a shrink it shrinks no further, which a growth ends; for 300 s after a growth it grows further
only by more than that growth, which then counts as part of the new one.

What the metric is taken from is not documented: here current x metric is the mean load of the alarm's
minutes, each minute's utilisation x the count that it was measured at. A minute without a sample is no
minute of an alarm. Left out: cooldowns count from the decision, where AWS counts from its completion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from autoscaler.core.rounding import ROUNDING
from autoscaler.replay.baselines.baseline import Poll

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.replay.baselines.baseline import Baseline, Flags, Floats, Seen, Vcpus
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
        self._busy_vcpus, self._use_ratios = (np.full((_LOW_MINUTES, len(start)), np.nan) for _ in range(2))
        """Of the last minutes, the latest first."""
        self._shrunk_at_s, self._grown_at_s = (np.full(len(start), -np.inf) for _ in range(2))
        self._grown_from = start

    def want(self, seen: Seen) -> Vcpus:
        busy_vcpus, use_ratio = self._poll.look(seen)
        self._busy_vcpus = np.concatenate([busy_vcpus[None], self._busy_vcpus[:-1]])
        self._use_ratios = np.concatenate([use_ratio[None], self._use_ratios[:-1]])
        # A comparison with a minute that is NaN fails, so that it breaks a row.
        high = np.all(self._use_ratios[:_HIGH_MINUTES] > self._target_ratio, axis=0)
        low = np.all(self._use_ratios < _LOW_SHARE * self._target_ratio, axis=0)
        self._grow(seen, high & (self._fitting(_HIGH_MINUTES) > seen.online))
        self._shrink(seen, low & (self._fitting(_LOW_MINUTES) < seen.online))
        return self._want

    def _fitting(self, minutes: int) -> Floats:
        """What the mean load of the last minutes takes; NaN: some of them are not known."""
        load_vcpus = self._busy_vcpus[:minutes].mean(axis=0)
        fitting: Floats = np.maximum(np.ceil(load_vcpus / self._target_ratio - ROUNDING), 1)
        return fitting

    def _grow(self, seen: Seen, asked: Flags) -> None:
        begun = asked & (seen.now_s >= self._grown_at_s + _COOLDOWN_S)
        self._grown_at_s[begun] = seen.now_s
        self._grown_from = np.where(begun, seen.online, self._grown_from)
        more = np.where(asked, self._fitting(_HIGH_MINUTES) - seen.online, 0).astype(np.int64)
        grows = begun | (asked & (self._grown_from + more > self._want))
        self._want = np.where(grows, self._grown_from + more, self._want)
        self._shrunk_at_s[grows] = -np.inf

    def _shrink(self, seen: Seen, asked: Flags) -> None:
        shrinks = asked & (seen.now_s >= self._shrunk_at_s + _COOLDOWN_S)
        fitting = np.where(shrinks, self._fitting(_LOW_MINUTES), 1).astype(np.int64)
        self._want = np.where(shrinks, fitting, self._want)
        self._shrunk_at_s[shrinks] = seen.now_s
