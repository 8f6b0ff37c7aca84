"""All guests of all hosts: are the promises kept, with how much, and who needs somebody's attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.condition import Condition
from grafana.frame import board, filled, link, link_to
from grafana.glance import glance
from grafana.panels import lines, states
from grafana.parts import (
    GREY,
    NONE_IS_GOOD,
    PERCENT,
    SECONDS,
    TIMES,
    TOO_FAST,
    UNCOLORED,
    VCPUS,
    Ask,
)
from grafana.queries import (
    burn_rate,
    each,
    in_force,
    kept_back,
    of_domains,
    of_service,
    or_zero,
    promised,
    state,
    state_besides,
    vcpus,
)
from grafana.states import KEEPS_BACK, REASONS, REASONS_SAID, STATES
from grafana.tables import Cause, Column, Label, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from grafana.frame import AnyPanel

_HOST = link("The hosts", "host")
_DOMAIN = link("One domain: why is it this size?", "domain")
_ROW = link_to(
    "Why is it this size?",
    "domain",
    "${datasource:queryparam}&${job:queryparam}&var-instance=${__data.fields.Host:percentencode}"
    "&var-domain=${__data.fields.Domain:percentencode}&${__url_time_range}",
)
"""To the domain of a row, on the row's own host, whatever is in their names."""
_COMMITTED, _CAPACITY = ', state="committed"', ', state="capacity"'
_BAD_SLICES = of_domains("slo_slices_total", ', outcome="bad"')
_KEPT_BACK = kept_back("instance, domain")
_CAUSES = {str(reason): (REASONS_SAID[reason], REASONS[reason]) for reason in KEEPS_BACK}


def fleet() -> Dashboard:
    """The dashboard to begin with."""
    return filled(
        board("fleet", "vCPU autoscaler / Fleet", "Are the promises kept, and with how many vCPUs?"),
        {
            "At a glance": glance(),
            "Guests": _guests(),
            "Promises": _promises(),
            "vCPUs": _vcpus(),
        },
    )


def _guests() -> Sequence[AnyPanel]:
    of_one = "by (instance, domain)"
    unread = f"and on (job, instance, domain) {in_force(Condition.NO_SAMPLE)}"
    return (
        rows(
            "Every guest",
            "Those that break their promise first, then those in trouble. A promise counts slices: kept so "
            "far is the good share of those measured, over the time seen. What is left of the error budget "
            "is a share of the whole window's, those slices included that are still to come; it lasts at a "
            "burn rate of up to 1. Kept from more by: what keeps a guest that wants more vCPUs than it runs "
            "from them. Unread: since when the load of a guest cannot be read. A row leads to the guest's "
            "own dashboard, which has what to do.",
            promised("instance, domain, policy, mode"),
            [
                Label("Domain", "domain", 110),
                Column("State", state("instance, domain"), words=STATES, width=190),
                Column("Also", state_besides("instance, domain"), words=STATES, width=190),
                Cause("Kept from more by", "reason", _KEPT_BACK, _CAUSES, 170),
                Label("Promise", "promise", 400),
                Column("Kept so far", f"max {of_one} ({of_domains('slo_attained_ratio')})", PERCENT),
                Column("Time seen", f"max {of_one} ({of_domains('slo_measured_seconds')})", SECONDS),
                Column(
                    "Budget left",
                    f"max {of_one} ({of_domains('slo_error_budget_remaining_ratio')})",
                    PERCENT,
                    ((None, "yellow"), (0.25, UNCOLORED)),
                ),
                Column(
                    "Burn rate, 1 h",
                    burn_rate("instance, domain", "1h"),
                    TIMES,
                    ((None, UNCOLORED), *TOO_FAST[1:]),
                    width=120,
                ),
                Column("Online", f"max {of_one} ({vcpus('online')})"),
                Column("Target", f"max {of_one} ({vcpus('target')})"),
                Column("Max", f"max {of_one} ({vcpus('max')})"),
                Column("Utilisation", f"max {of_one} ({of_domains('domain_utilization_ratio')})", PERCENT),
                Column(
                    "Unread",
                    f"max {of_one} (time() - {of_domains('domain_last_sample_timestamp_seconds')} {unread})",
                    SECONDS,
                    ((None, "orange"),),
                ),
                Label("Policy", "policy"),
                Label("Mode", "mode"),
                Label("Host", "instance"),
            ],
            see=_DOMAIN,
            each=_ROW,
            most_first="State",
        ),
        states(
            "State over time",
            "What every guest's state was, of the twenty that are worst off: who breaks a promise, is in "
            "trouble, is at risk, or has the autoscaler paused.",
            [Ask(f"topk(20, {state('domain')})", "{{domain}}")],
            see=_DOMAIN,
            words=STATES,
            width=24,
        ),
    )


def _promises() -> Sequence[AnyPanel]:
    return (
        lines(
            "Error budget left, the ten lowest",
            "Share of the bad slices that a guest's SLO window allows which is not spent. At zero the "
            "promise of the window is broken.",
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
            steps=NONE_IS_GOOD,
            shades="red",
        ),
    )


def _vcpus() -> Sequence[AnyPanel]:
    return (
        lines(
            "vCPUs of all guests",
            "All guests together: busy is what they used, demand what they wanted, online what they run, "
            "and max the most that their policies allow at this hour.",
            [
                Ask(f"sum({of_domains('domain_busy_vcpus')})", "busy"),
                Ask(f"sum({of_domains('domain_demand_vcpus')})", "demand"),
                Ask(f"sum({vcpus('online')})", "online"),
                Ask(f"sum({vcpus('max')})", "max"),
            ],
            see=_HOST,
            unit=VCPUS,
            stairs=["online"],
            dashed=["max"],
            colors={"busy": "blue", "demand": "purple", "online": "green", "max": GREY},
        ),
        lines(
            "Host capacity in use",
            "vCPUs that the guests of each host run or grow to (committed), of the most that the host lets "
            "them run together (capacity). Short of capacity is who comes near 100 %: there nobody grows.",
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
            "Guests kept from growing",
            "Guests that want more vCPUs than they run, all and by what keeps them from more. The table "
            "above says which.",
            [
                Ask(or_zero(f"count({_KEPT_BACK})"), "all"),
                Ask(f"count by (reason) ({_KEPT_BACK})", "{{reason}}"),
            ],
            see=_HOST,
            width=6,
            steps=NONE_IS_GOOD,
            colors={"all": GREY, **REASONS},
            words=REASONS_SAID,
        ),
    )
