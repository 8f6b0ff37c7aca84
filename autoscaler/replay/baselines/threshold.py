"""One vCPU more above a high mark, one fewer below a low one, looked at every few minutes.

Source: proxmox-vm-autoscale (github.com/fabriziosalmi/proxmox-vm-autoscale, autoscale.py), which steps a
guest's cores by one when its CPU use at the moment of the check is above or below its thresholds; checks come
every 300 s, and 80 and 20 % are its thresholds. A use that could not be read moves nothing. Cooldowns and
limits of the host are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.replay.baselines.baseline import Baseline, Seen, Vcpus
    from autoscaler.replay.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The rule."""

    high_ratio: float = 0.80
    low_ratio: float = 0.20
    every_s: float = 300.0

    @property
    def name(self) -> str:
        """Its name in tables."""
        return f"threshold +-1 at {self.high_ratio * 100:g}/{self.low_ratio * 100:g} every {self.every_s:g} s"

    def begin(self, traces: Sequence[Trace], usual: Vcpus) -> Baseline:
        """Start anew."""
        del traces
        return _Threshold(self, usual)


class _Threshold:
    def __init__(self, rule: Threshold, start: Vcpus) -> None:
        self.start = self._want = start
        self._rule = rule

    def want(self, seen: Seen) -> Vcpus:
        """The use is that since the last answer, which is the last step where none was missed."""
        use_ratio = seen.busy_vcpus / seen.online
        step = (use_ratio > self._rule.high_ratio).astype(np.int64) - (use_ratio < self._rule.low_ratio)
        self._want = np.where(seen.known, np.maximum(seen.online + step, 1), self._want)
        return self._want
