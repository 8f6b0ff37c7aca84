"""What a policy promises, in the words that every place has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.policy import Indicator

if TYPE_CHECKING:
    from autoscaler.core.policy import Sla


def promise_of(sla: Sla) -> str:
    """A service level in a few words."""
    window = f"{sla.window_s / 86400:g} d"
    what = sla.indicator.removesuffix("_below").replace("_", " ")
    limit = f"{sla.below:g} tasks a vCPU" if sla.indicator is Indicator.RUN_QUEUE else f"{100 * sla.below:g}%"
    return f"{what} below {limit} in {100 * sla.objective_ratio:g}% of {window}"
