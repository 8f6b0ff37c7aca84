"""All guests of all hosts: are the promises kept, with how much, and who needs somebody's attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.frame import board, filled, link, link_to
from grafana.panels import figure, lines, states
from grafana.parts import (
    BUDGET,
    BURNS,
    GREY,
    NONE_IS_GOOD,
    PERCENT,
    SECONDS,
    SOME_ARE_GOOD,
    UNCOLORED,
    VCPUS,
    ZERO_IS_GOOD,
    Ask,
    While,
)
from grafana.queries import (
    RATE,
    STATES,
    burn_rate,
    each,
    of_domains,
    of_service,
    or_zero,
    state,
    state_besides,
    troubles,
    vcpus,
)
from grafana.tables import Column, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from grafana.frame import AnyPanel

_HOST = link("The hosts", "host")
_SERVICE = link("The autoscaler itself", "autoscaler")
_DOMAIN = link("One domain: why is it this size?", "domain")
_ROW = link_to(
    "Why is it this size?",
    "domain",
    "${datasource:queryparam}&${job:queryparam}&var-instance=${__data.fields.Host:percentencode}"
    "&var-domain=${__data.fields.Domain:percentencode}&${__url_time_range}",
)
"""To the domain of a row, on the row's own host, whatever is in their names."""
_GOVERNED = ', governed="true"'
_ORDERED = ', condition=~"paused|ordered"'
_BAD = ', outcome="bad"'
_COMMITTED, _CAPACITY = ', state="committed"', ', state="capacity"'
_SLICES = of_domains("slo_slices_total", ', outcome="good"')
_BAD_SLICES = of_domains("slo_slices_total", _BAD)
_KNOWN = of_domains("slo_slices_total", ', outcome=~"good|bad"')


def fleet() -> Dashboard:
    """The dashboard to begin with."""
    return filled(
        board("fleet", "vCPU autoscaler / Fleet", "Are the promises kept, and with how many vCPUs?"),
        {
            "At a glance": _glance(),
            "Promises": _promises(),
            "vCPUs": _vcpus(),
            "Guests": _guests(),
        },
    )


def _glance() -> Sequence[AnyPanel]:
    return (
        figure(
            "Guests governed",
            "Running domains that a policy governs.",
            f"sum({of_service('domains', _GOVERNED)})",
            see=_SERVICE,
            steps=SOME_ARE_GOOD,
        ),
        figure(
            "In trouble",
            "Domains with a condition that nobody ordered: a promise that is being broken, an agent that "
            "is gone, a change that failed. The table below has who they are.",
            or_zero(f"count({troubles('instance, domain')})"),
            see=_DOMAIN,
            steps=ZERO_IS_GOOD,
        ),
        figure(
            "Paused or ordered",
            "Domains that an administrator has paused, or ordered to a count.",
            or_zero(f"count(max without (condition) ({of_domains('domain_condition', _ORDERED)}))"),
            see=_DOMAIN,
            steps=NONE_IS_GOOD,
        ),
        figure(
            "Good slices",
            (
                "Share of the slices that kept their promise, of those measured in the time shown, all "
                "guests together."
            ),
            f"sum(increase({_SLICES}[$__range])) / sum(increase({_KNOWN}[$__range]))",
            see=_DOMAIN,
            unit=PERCENT,
            steps=((None, "red"), (0.95, "yellow"), (0.99, "green")),
        ),
        figure(
            "Least budget left",
            (
                "The error budget of the guest that has least of it left, over its SLO window. Below "
                "zero: overspent. Yellow, too, while any guest spends its own faster than it lasts."
            ),
            f"min({of_domains('slo_error_budget_remaining_ratio')})",
            see=_DOMAIN,
            unit=PERCENT,
            steps=BUDGET,
            otherwise=While(f"max({burn_rate('instance, domain', '1h')}) > 1", BUDGET[:2]),
        ),
        figure(
            "vCPUs run of those allowed",
            "vCPUs that guests run, of all that their policies allow. Near 100 % hardly one can grow.",
            f"sum({vcpus('online')}) / sum({vcpus('max')})",
            see=_HOST,
            unit=PERCENT,
            steps=((None, "green"), (0.9, "yellow")),
        ),
    )


def _promises() -> Sequence[AnyPanel]:
    return (
        lines(
            "Error budget left, the ten lowest",
            (
                "Share of the bad slices that an SLO window allows which is not spent. At zero the "
                "promise is broken."
            ),
            [Ask(f"bottomk(10, {of_domains('slo_error_budget_remaining_ratio')})", "{{domain}}")],
            see=_DOMAIN,
            unit=PERCENT,
            steps=((None, "green"), (0, "red")),
        ),
        lines(
            "Bad slices, by guest",
            "Slices whose indicator was not below its limit, of the ten guests with most of them.",
            [Ask(f"topk(10, sum by (domain) ({each(_BAD_SLICES)}))", "{{domain}}")],
            see=_DOMAIN,
            counts=True,
            steps=ZERO_IS_GOOD,
        ),
    )


def _vcpus() -> Sequence[AnyPanel]:
    return (
        lines(
            "vCPUs: wanted, run, allowed",
            (
                "All guests together: what they use and want, what they run, and the most that their "
                "policies allow."
            ),
            [
                Ask(f"sum({of_domains('domain_busy_vcpus')})", "used"),
                Ask(f"sum({of_domains('domain_demand_vcpus')})", "wanted"),
                Ask(f"sum({vcpus('online')})", "run"),
                Ask(f"sum({vcpus('max')})", "allowed"),
            ],
            see=_HOST,
            unit=VCPUS,
            stairs=["run"],
            dashed=["allowed"],
            colors={"used": "blue", "wanted": "purple", "run": "green", "allowed": GREY},
        ),
        lines(
            "Where capacity is short",
            "vCPUs committed on each host, of those that its guests may run together. At 100 % nobody grows.",
            [
                Ask(
                    f"{of_service('host_vcpus', _COMMITTED)} / ignoring (state) "
                    f"{of_service('host_vcpus', _CAPACITY)}",
                    "{{instance}} {{host}}",
                )
            ],
            see=_HOST,
            unit=PERCENT,
            width=6,
            steps=((None, "green"), (1, "red")),
        ),
        lines(
            "What holds guests back, a minute",
            (
                "Decisions a minute that would have grown a guest, or kept it, and could not, by what "
                "stood in the way."
            ),
            [
                Ask(
                    or_zero(f"60 * sum(rate({of_domains('decisions_total', _reason(reason))}{RATE}))"), legend
                )
                for reason, legend in (
                    ("host-full", "host is full"),
                    ("host-pressed|stolen", "host withholds time"),
                    ("at-max", "its own maximum"),
                    ("back-off|denied", "a change that failed"),
                )
            ],
            see=_HOST,
            width=6,
            steps=NONE_IS_GOOD,
        ),
    )


def _reason(reason: str) -> str:
    return f', reason=~"{reason}"'


def _guests() -> Sequence[AnyPanel]:
    of_one = "by (instance, domain)"
    return (
        rows(
            "Every guest",
            "Those first whose promise is being broken, then those in other trouble, then those paused or "
            "ordered. State is the worst condition in force, Also the next. Kept so far is of what was "
            "measured, Seen for how long that was, Against promise how far it is above the objective, or "
            "below; the budget is all the bad time that a whole SLO window allows, seen or still to come, "
            "and lasts at a burn rate of up to 1. A row leads to the domain's own dashboard.",
            [
                Column(
                    "Governed",
                    f"max by (instance, domain, policy, mode) ({of_domains('domain_info')})",
                    hidden=True,
                ),
                Column("State", state("instance, domain"), words=STATES),
                Column("Also", state_besides("instance, domain"), words=STATES),
                Column("Run", f"max {of_one} ({vcpus('online')})"),
                Column("Target", f"max {of_one} ({vcpus('target')})"),
                Column("Allowed", f"max {of_one} ({vcpus('max')})"),
                Column(
                    "Utilisation",
                    f"max {of_one} ({of_domains('domain_utilization_ratio')})",
                    PERCENT,
                ),
                Column(
                    "Kept so far",
                    f"max {of_one} ({of_domains('slo_attained_ratio')})",
                    PERCENT,
                ),
                Column(
                    "Against promise",
                    f"max {of_one} ({of_domains('slo_attained_ratio')} "
                    f"- {of_domains('slo_objective_ratio')})",
                    PERCENT,
                    ((None, "red"), (0, "green")),
                ),
                Column("Seen for", f"max {of_one} ({of_domains('slo_measured_seconds')})", SECONDS),
                Column(
                    "Window's budget left",
                    f"max {of_one} ({of_domains('slo_error_budget_remaining_ratio')})",
                    PERCENT,
                    (*BUDGET[:2], (0.25, UNCOLORED)),
                ),
                Column("Burn rate, 1 h", burn_rate("instance, domain", "1h"), steps=BURNS),
                Column(
                    "Last read",
                    f"time() - max {of_one} ({of_domains('domain_last_sample_timestamp_seconds')})",
                    SECONDS,
                    ((None, "green"), (60, "red")),
                ),
            ],
            see=_DOMAIN,
            by={"domain": "Domain", "instance": "Host", "policy": "Policy", "mode": "Mode"},
            each=_ROW,
            most_first="State",
        ),
        states(
            "Who is in trouble, or paused",
            "The worst condition of each guest, over time; the twenty guests with the worst.",
            [Ask(f"topk(20, {state('domain')})", "{{domain}}")],
            see=_DOMAIN,
            words=STATES,
            width=24,
        ),
    )
