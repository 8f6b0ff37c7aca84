"""Pieces of PromQL that several dashboards share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.condition import Condition
from autoscaler.core.operation import STAGES, Direction
from autoscaler.core.reason import Reason
from grafana.parts import Ask
from grafana.states import BEHIND, FIRST_CONDITION, KEEPS_BACK, MILDEST_FIRST, NO_TROUBLE, OVERSPENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.core.policy import Indicator

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
    in_force = of("domain_condition", f', condition!~"{NO_TROUBLE}"')
    return f"count by ({by}) ({in_force})"


def in_force(condition: Condition, of: Selected = of_domains) -> str:
    """The domains with this condition, and no others."""
    return of("domain_condition", f', condition="{condition}"')


def domains_with(condition: Condition) -> str:
    """How many domains have this condition."""
    return or_zero(f"count({in_force(condition)})")


def behind(of: Selected = of_domains) -> str:
    """The domains that have kept less of what was measured than is promised, each with the figure 1."""
    return f"({of('slo_attained_ratio', '')} < bool {of('slo_objective_ratio', '')}) == 1"


def deciding(of: Selected = of_domains, among: Sequence[Reason] = tuple(Reason)) -> str:
    """What decides the size of each domain now, in the label `reason`, where it is among some.

    That is what most decisions between the last two scrapes had, or of the last 3 minutes where there was
    none between them. Under a pause a load may still need what there is; but if it did not, nothing would
    be done.
    """
    one = "on (job, instance, domain)"
    paused = f'label_replace({in_force(Condition.PAUSED, of)}, "reason", "{Reason.PAUSED}", "", "")'
    decisions = of("decisions_total", "")
    moving = f"irate({decisions}[3m]) > 0 or {one} rate({decisions}[3m]) > 0"
    newest = f"topk by (job, instance, domain) (1, {moving})"
    if len(among) < len(Reason):
        which = of("decisions_total", f', reason=~"{"|".join(among)}"')
        newest = f"{newest} and on (job, instance, domain, reason) {which}"
    return f"({paused} or {one} {newest})"


def kept_back(by: str, of: Selected = of_domains) -> str:
    """The domains that want more vCPUs than they run and are kept from them, with further labels `by`.

    The label `reason` says by what.
    """
    wants_more = f"{vcpus('proposed', of)} > ignoring (state) {vcpus('online', of)}"
    return f"max by ({by}, reason) ({deciding(of, KEEPS_BACK)} and on (job, instance, domain) ({wants_more}))"


def promised(by: str, of: Selected = of_domains) -> str:
    """What is promised to each domain, in the label `promise`, with further labels `by`."""
    promise = f"on (job, instance, policy) group_left (promise) {of_service('policy_info')}"
    return f"max by ({by}, promise) ({of('domain_info', '')} * {promise})"


def promised_limit(indicator: Indicator, of: Selected = of_domains) -> str:
    """Below what this indicator of the domains is to stay; nothing of those that are promised another."""
    which = f', indicator="{indicator.removesuffix("_below")}"'
    limit = f"on (job, instance, policy) group_left () {of_service('policy_limit_ratio', which)}"
    return f"{of('domain_info', '')} * {limit}"


def conditions(of: Selected = of_domains) -> str:
    """Every condition in force, as its figure among `STATES`."""
    each_one = [in_force(one, of) for one in MILDEST_FIRST]
    found = [f"{rank} * {series}" for rank, series in enumerate(each_one, start=FIRST_CONDITION)]
    return f"({' or '.join(found)})"


def _worth_knowing(of: Selected) -> str:
    """Conditions, and how the promises of the domains stand that are behind them."""
    overspent = f"({of('slo_error_budget_remaining_ratio', '')} < bool 0) == 1"
    return f"({conditions(of)} or {OVERSPENT} * ({overspent}) or {BEHIND} * ({behind(of)}))"


def state(by: str, of: Selected = of_domains) -> str:
    """The worst that is to be known, for each value of `by`, as its figure among `STATES`; 0: nothing is."""
    return f"(max by ({by}) {_worth_knowing(of)} or 0 * max by ({by}) ({of('domain_info', '')}))"


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
    """How often it was counted from one bar to the next, of a counter that is told from nought on.

    An increase over one bar would leave out what was counted between its last scrape and the first of the
    next bar: of one slice a minute, scraped every 15 s, a quarter.
    """
    return f"clamp_min({counter} - {counter} offset $__interval, 0)"


def each_even_the_first(counter: str, span: str = "$__interval") -> str:
    """The same of a counter that may not be there before the first time: what is new counts from nought.

    It is new where it was not there within an hour before the bar, while its service was seen; a scrape that
    failed, or a Prometheus that was just started, makes nothing new.
    """
    before = f"last_over_time({counter}[1h] offset {span})"
    seen = f"on (job, instance) {of_service('snapshot_timestamp_seconds')} offset {span}"
    return f"clamp_min({counter} - ({before} or 0 * {counter} and {seen}), 0)"


def or_zero(expr: str) -> str:
    """A sum that is 0 where there is nothing to add up."""
    return f"{expr} or vector(0)"


STAGE_WORDS = {
    (Direction.UP, "accepted"): "growth: QEMU accepted it",
    (Direction.UP, "present"): "growth: the guest lists it",
    (Direction.UP, "online"): "growth: the guest runs it",
    (Direction.UP, "relieved"): "growth: the load fits",
    (Direction.DOWN, "accepted"): "offline: the guest accepted it",
    (Direction.DOWN, "online"): "offline: the guest runs fewer",
    (Direction.UNPLUG, "offlined"): "unplug: offline in the guest",
    (Direction.UNPLUG, "requested"): "unplug: QEMU asked for it",
    (Direction.UNPLUG, "acknowledged"): "unplug: the guest agreed",
    (Direction.UNPLUG, "gone"): "unplug: QEMU shows it gone",
}
"""What each stage of each kind of change is, of a vCPU."""


def stages(direction: Direction) -> list[Ask]:
    """How long 90 of 100 changes took to each stage, in the stages' order; 0 where there was none."""
    found = []
    for stage in STAGES[direction]:
        which = f', direction="{direction}", stage="{stage}"'
        metric = "scaling_stage_duration_seconds"
        expr = quantile(0.9, metric, "", which, "[$__range]")
        found.append(Ask(expr, STAGE_WORDS[direction, stage]))
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
