"""The keys of a policy's `sla`: what is promised, and by what it is measured."""

from typing import Annotated

from autoscaler.core.policy import Sla
from autoscaler.policyfile.typed import Choice, Section
from autoscaler.policyfile.values import duration, number, ratio

FAST_BURN_RATE = 14.4
"""The burn rate, over one hour, of the alert that wakes somebody up: 2 % of a 30-day budget in that hour."""

LEAST_OBJECTIVE = "93.1%"
"""Burn cannot exceed 1 / (1 - objective), which is every slice bad: below 1 - 1 / `FAST_BURN_RATE` it never
reaches that alert."""

_SLA = Sla()


class IndicatorKeys(Choice):
    """What is measured in each slice, and below what it has to stay: one of these."""

    utilization_below: Annotated[float, ratio("10%", "100%")] | None = None
    """Demand, as a share of the online vCPUs."""
    pressure_below: Annotated[float, ratio("0.1%", "99%")] | None = None
    """Share of the time in which some task of the guest waited for a CPU (PSI)."""
    run_queue_below: Annotated[float, number("0.1", "100")] | None = None
    """Tasks that want a CPU, for each online vCPU."""


class SlaKeys(Section):
    """What is promised: the indicator stays below its limit in so many of the window's slices."""

    indicator: IndicatorKeys = IndicatorKeys.model_construct(utilization_below=_SLA.below)
    """What is measured in each slice, and below what it has to stay."""
    slice: Annotated[float, duration("10s", "5m")] = _SLA.slice_s
    """The length of time that is good or bad as a whole."""
    objective: Annotated[
        float,
        ratio(
            LEAST_OBJECTIVE,
            "99.99%",
            below=f"with less, even nothing but bad slices burns the error budget less than {FAST_BURN_RATE} "
            "times as fast as it may, and the alert on that could never fire",
            above="with more, hardly a slice could be bad; an objective of 100% has no error budget at all",
        ),
    ] = _SLA.objective_ratio
    """Share of the slices that have to be good."""
    window: Annotated[float, duration("1d", "90d")] = _SLA.window_s
    """The time over which the objective holds, up to now."""
