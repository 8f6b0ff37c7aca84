"""Pieces of PromQL that several dashboards share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.condition import Condition, Urgency, urgency
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
_NO_TROUBLE = "|".join(sorted(one for one in Condition if urgency((one,)) > Urgency.TROUBLE))
_MILDEST_FIRST = sorted(
    Condition, key=lambda one: (urgency((one,)), list(Condition).index(one)), reverse=True
)
_COLORS = {Urgency.BREAKING: "red", Urgency.TROUBLE: "orange"}
_SAID = {Condition.BREAKING: "breaks its promise"}
STATES = {"0": ("ok", "green")} | {
    str(rank): (_SAID.get(one, str(one)), _COLORS.get(urgency((one,)), "yellow"))
    for rank, one in enumerate(_MILDEST_FIRST, start=1)
}
"""What the figures of `state` mean: the higher, the sooner somebody has to look."""


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
    """How many conditions are in force that somebody has to look at, for each value of `by`; those only."""
    in_force = of("domain_condition", f', condition!~"{_NO_TROUBLE}"')
    return f"count by ({by}) ({in_force})"


def conditions(of: Selected = of_domains) -> str:
    """Every condition in force, as its figure among `STATES`."""
    each_one = [of("domain_condition", f', condition="{one}"') for one in _MILDEST_FIRST]
    found = [f"{rank} * {series}" for rank, series in enumerate(each_one, start=1)]
    return f"({' or '.join(found)})"


def state(by: str, of: Selected = of_domains) -> str:
    """The worst condition in force for each value of `by`, as its figure among `STATES`; 0: none is."""
    return f"(max by ({by}) {conditions(of)} or 0 * max by ({by}) ({of('domain_info', '')}))"


def state_besides(by: str) -> str:
    """The worst condition but that of `state`; nothing where there is no second one."""
    return f"max by ({by}) ({conditions()} < on ({by}) group_left () max by ({by}) {conditions()})"


def burn_rate(by: str, window: str, of: Selected = of_domains) -> str:
    """How many times as fast as it may the error budget is spent over a window, for each value of `by`."""
    bad = of("slo_slices_total", ', outcome="bad"')
    known = of("slo_slices_total", ', outcome=~"good|bad"')
    return (
        f"sum by ({by}) (increase({bad}[{window}])) / sum by ({by}) (increase({known}[{window}])) "
        f"/ (1 - max by ({by}) ({of('slo_objective_ratio', '')}))"
    )


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
