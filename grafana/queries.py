"""Pieces of PromQL that several dashboards share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.operation import STAGES
from grafana.parts import Ask

if TYPE_CHECKING:
    from autoscaler.core.operation import Direction

P = "vcpu_autoscaler"
SERVICE = 'job=~"$job", instance=~"$instance"'
"""Of the services that are chosen."""
DOMAINS = f'{SERVICE}, domain=~"$domain"'
"""Of the domains that are chosen."""
RATE = "[$__rate_interval]"
EACH = "[$__interval]"
"""From one bar to the next."""
CHANGES = {"up": "green", "down": "blue", "unplug": "purple", "went wrong": "red"}
"""The colours of changes, by what a series is called."""
NONE = {"0": ("none", "green")}
TROUBLES = {"0": ("ok", "green")}
"""What a count of troubles says, beside the count itself."""


def of_service(metric: str, more: str = "") -> str:
    """Series of the chosen services; `more` begins with a comma."""
    return f"{P}_{metric}{{{SERVICE}{more}}}"


def of_domains(metric: str, more: str = "") -> str:
    """Series of the chosen domains; `more` begins with a comma."""
    return f"{P}_{metric}{{{DOMAINS}{more}}}"


def vcpus(state: str) -> str:
    """The vCPUs of the chosen domains that are in a state."""
    return of_domains("domain_vcpus", f', state="{state}"')


def or_zero(expr: str) -> str:
    """A sum that is 0 where there is nothing to add up."""
    return f"{expr} or vector(0)"


def stages(direction: Direction) -> list[Ask]:
    """How long 90 of 100 changes took to each stage, in the stages' order; 0 where there was none."""
    found = []
    for stage in STAGES[direction]:
        which = f', direction="{direction}", stage="{stage}"'
        metric = "scaling_stage_duration_seconds"
        found.append(Ask(quantile(0.9, metric, "", which, "[$__range]"), f"{direction}: {stage}"))
    return found


def quantile(share: float, metric: str, by: str, more: str = "", span: str = RATE) -> str:
    """A quantile of a histogram over `span`, for each value of `by`; 0 where nothing was observed."""
    labels = f"le, {by}" if by else "le"
    buckets = of_service(f"{metric}_bucket", more)
    of_all = f"sum by ({by})" if by else "sum"
    return (
        f"(histogram_quantile({share}, sum by ({labels}) (increase({buckets}{span}))) >= 0) "
        f"or 0 * {of_all} ({of_service(f'{metric}_count', more)})"
    )
