"""The rules of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.replay.baselines.hindsight import P995, PEAK
from autoscaler.replay.baselines.hpa import Hpa
from autoscaler.replay.baselines.load_average import LoadAverage
from autoscaler.replay.baselines.target_tracking import TargetTracking
from autoscaler.replay.baselines.threshold import Threshold
from autoscaler.replay.baselines.vpa import Vpa

if TYPE_CHECKING:
    from autoscaler.replay.baselines.baseline import Rule

HPAS = tuple(Hpa(target_ratio=percent / 100) for percent in (50, 60, 65, 70))
"""At several targets, so that the best of them can be named; whoever picks it does so with hindsight."""
RULES: tuple[Rule, ...] = (
    PEAK,
    P995,
    Threshold(),
    *HPAS,
    TargetTracking(),
    Vpa(),
    Vpa(percentile_ratio=0.99),
    LoadAverage(),
)
"""All of them."""
