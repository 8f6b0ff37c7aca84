"""Pieces of PromQL that several dashboards share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.condition import AS_ORDERED, Condition
from autoscaler.core.operation import STAGES
from grafana.parts import Ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.core.operation import Direction

    Selected = Callable[[str, str], str]
    """Series of a metric, with more labels."""

P = "vcpu_autoscaler"
SERVICE = 'job=~"$job", instance=~"$instance"'
"""Of the services that are chosen."""
DOMAINS = f'{SERVICE}, domain=~"$domain"'
"""Of the domains that are chosen: Grafana makes a pattern of their names, which are several or all."""
ONE = f'{SERVICE}, domain="$domain"'
"""Of the one that is chosen: Grafana puts its name in as it is, which as a pattern would fit others."""
RATE = "[$__rate_interval]"
CHANGES = {"up": "green", "down": "blue", "unplug": "purple", "went wrong": "red"}
"""The colours of changes, by what a series is called."""
NONE = {"0": ("none", "green")}
STAGE_STEPS = ((None, "green"), (10, "yellow"), (30, "red"))
"""Of the time to a stage, in seconds: after 30 a change is stuck unless its host learned another deadline."""
LATE_STEPS = ((None, "green"), (1, "yellow"), (5, "red"))
"""Of what a tick takes or starts late, in seconds: the interval is 5 unless configured."""
TROUBLES = {"0": ("ok", "green")}
"""What a count of troubles says, beside the count itself."""
URGENCY = {"0": ("ok", "green"), "1": ("trouble", "orange"), "2": ("breaks its promise", "red")}
"""What the figures of `urgency` mean."""


def of_service(metric: str, more: str = "") -> str:
    """Series of the chosen services; `more` begins with a comma."""
    return f"{P}_{metric}{{{SERVICE}{more}}}"


def of_domains(metric: str, more: str = "") -> str:
    """Series of the chosen domains; `more` begins with a comma."""
    return f"{P}_{metric}{{{DOMAINS}{more}}}"


def of_one(metric: str, more: str = "") -> str:
    """Series of the one chosen domain; `more` begins with a comma."""
    return f"{P}_{metric}{{{ONE}{more}}}"


def vcpus(state: str, of: Selected = of_domains) -> str:
    """The vCPUs of the chosen domains that are in a state."""
    return of("domain_vcpus", f', state="{state}"')


def troubles(by: str, of: Selected = of_domains) -> str:
    """How many conditions are in force that nobody ordered, for each value of `by`; 0 where there is none."""
    ordered = "|".join(sorted(AS_ORDERED))
    in_force = of("domain_condition", f', condition!~"{ordered}"')
    return f"(count by ({by}) ({in_force}) or 0 * max by ({by}) ({of('domain_info', '')}))"


def urgency(by: str, of: Selected = of_domains) -> str:
    """How soon somebody has to look, for each value of `by`: see `URGENCY`."""
    breaking = of("domain_condition", f', condition="{Condition.BREAKING}"')
    return f"(2 * max by ({by}) ({breaking}) or clamp_max({troubles(by, of)}, 1))"


def each(counter: str) -> str:
    """How often it was counted from one bar to the next.

    An increase over one bar would leave out what was counted between its last scrape and the first of the
    next bar: of one slice a minute, scraped every 15 s, a quarter.
    """
    return f"clamp_min({counter} - {counter} offset $__interval, 0)"


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
