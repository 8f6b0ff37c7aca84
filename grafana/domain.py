"""One domain, and the one question: why is it this size?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.operation import Direction
from autoscaler.core.policy import Indicator
from grafana.domain_now import NAME, domain_now
from grafana.frame import MARKED, annotation, board, filled, link
from grafana.panels import levels, lines
from grafana.parts import (
    BURNS,
    GREY,
    PERCENT,
    SECONDS,
    TIMES_SHORT,
    VCPUS,
    Ask,
)
from grafana.queries import (
    NONE,
    RATE,
    STAGE_STEPS,
    burn_rate,
    each,
    each_even_the_first,
    of_one,
    promised_limit,
    stages,
    vcpus,
)
from grafana.shared import changes_begun
from grafana.states import REASONS, REASONS_SAID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from grafana.frame import AnyPanel

_HOST = link("Its host", "host")
_FLEET = link("All guests", "fleet")
_SERVICE = link("The autoscaler itself", "autoscaler")


def domain() -> Dashboard:
    """The dashboard of one domain, its changes marked on every panel over time."""
    text = "Why is it this size? `autoscaler explain` says it in words."
    dashboard = filled(
        board("domain", "vCPU autoscaler / Domain", text, one_domain=True),
        {
            "$domain: now": domain_now(),
            "$domain: why is it this size?": _why(),
            "$domain: its promise": _promise(),
            "$domain: its changes": _changes(),
        },
    )
    changes = of_one("scaling_operations_total")
    conditions = of_one("domain_condition")
    return dashboard.annotation(
        annotation(
            "Changes begun",
            f"{each_even_the_first(changes, MARKED)} > 0",
            "{{direction}}",
            "a change began: {{direction}}",
            "blue",
        )
    ).annotation(
        annotation("Conditions", f"{conditions} == 1", "{{condition}}", "{{condition}} is in force", "orange")
    )


def _why() -> Sequence[AnyPanel]:
    return (
        lines(
            "Demand against vCPUs",
            "Busy: vCPUs that the guest used. Demand: those that it wanted, by estimate, more than busy "
            "where all were in use. Online: those that it runs. Target: those that it should run, as was "
            "decided. Min and max: between these bounds of policy, schedule and domain the target stays. "
            "Upright lines, here and below: blue where a change began, orange where a condition came.",
            [
                Ask(vcpus("online", of_one), "online"),
                Ask(vcpus("target", of_one), "target"),
                Ask(of_one("domain_demand_vcpus"), "demand"),
                Ask(of_one("domain_busy_vcpus"), "busy"),
                Ask(vcpus("min", of_one), "min"),
                Ask(vcpus("max", of_one), "max"),
            ],
            see=_HOST,
            unit=VCPUS,
            width=24,
            height=11,
            stairs=["online", "target"],
            dashed=["max"],
            dotted=["min"],
            widths={"online": 7, "target": 4, "demand": 4, "busy": 2, "min": 2, "max": 2},
            colors={
                "busy": "blue",
                "demand": "purple",
                "online": "green",
                "target": "orange",
                "min": "light-blue",
                "max": GREY,
            },
        ),
        lines(
            "What decided, minute by minute",
            "Share of the decisions by their reason, in each bar's time, which is a minute or more. Green: "
            "as its load needs. Purple: a change. Blue: a wait or a limit of the policy. Yellow: an order, a "
            "job or a schedule. Orange: it is at its max, has no sample, or something failed. Red: its host "
            "has no more. Grey: it waits for a second sample, as after each change. Under a pause its load "
            "may still fit: then that is said. "
            f"`autoscaler explain {NAME}` says the last one step by step.",
            [
                Ask(
                    f"sum by (reason) (rate({of_one('decisions_total')}{RATE})) / ignoring "
                    f"(reason) group_left "
                    f"sum(rate({of_one('decisions_total')}{RATE})) > 0",
                    "{{reason}}",
                )
            ],
            see=_SERVICE,
            unit=PERCENT,
            counts=True,
            colors=REASONS,
            words=REASONS_SAID,
        ),
        lines(
            "vCPUs by state",
            "Plugged: vCPUs that there are in QEMU. Online: those of them that the guest runs. Asked for: "
            "what the strategy proposed, before min, max, hold and whatever else limits it. The definition's "
            "maximum (`maxcpus`) only a stop and a start can change.",
            [
                Ask(vcpus("plugged", of_one), "plugged"),
                Ask(vcpus("online", of_one), "online"),
                Ask(vcpus("proposed", of_one), "asked for, before limits"),
                Ask(vcpus("maximum", of_one), "definition's maximum"),
            ],
            see=_HOST,
            unit=VCPUS,
            stairs=["plugged", "online", "limits"],
            dashed=["maximum"],
            widths={"plugged": 8, "online": 5, "limits": 2, "maximum": 2},
            colors={"plugged": "purple", "online": "green", "limits": "orange", "maximum": GREY},
        ),
    )


def _promise() -> Sequence[AnyPanel]:
    return (
        lines(
            "Utilisation and steal",
            "Busy share of its vCPUs, at 100 % all of them, and below what it is promised to stay: slices "
            "above that are bad, and tasks that wait count for them, too. No limit is drawn where the "
            "promise is of pressure or of the run queue. Steal: the share of their time that the host "
            "withheld; above 10 % growth would not help, and stops.",
            [
                Ask(of_one("domain_utilization_ratio"), "utilisation"),
                Ask(of_one("domain_steal_ratio"), "steal"),
                Ask(promised_limit(Indicator.UTILIZATION, of_one), "promised: below"),
            ],
            see=_HOST,
            unit=PERCENT,
            width=6,
            dashed=["promised: below"],
            colors={"utilisation": "green", "steal": "yellow", "promised: below": "red"},
        ),
        lines(
            "Slices",
            "Slices of its promise as they closed: good where the indicator was below its limit, bad where "
            "not. Unknown ones were not measured, and count for neither.",
            [Ask(f"sum by (outcome) ({each(of_one('slo_slices_total'))})", "{{outcome}}")],
            see=_FLEET,
            width=6,
            counts=True,
            colors={"good": "green", "bad": "red", "unknown": GREY},
        ),
        lines(
            "Error budget left",
            "At zero the promise is broken for this window.",
            [
                Ask(of_one("slo_error_budget_remaining_ratio"), "budget left"),
            ],
            see=_FLEET,
            unit=PERCENT,
            width=6,
            steps=((None, "green"), (0, "red")),
        ),
        lines(
            "Burn rate",
            "How many times as fast as it can bear the budget is spent, over the last hour and the last 6: "
            "at 1 it lasts just for the SLO window. Above 14.4 in an hour somebody is woken up, if three "
            "slices or more were bad.",
            [Ask(burn_rate("domain", f"{hours}h", of_one), f"over {hours} h") for hours in (6, 1)],
            see=_FLEET,
            unit=TIMES_SHORT,
            width=6,
            steps=BURNS,
            widths={"over 6 h": 7, "over 1 h": 2},
            colors={"over 6 h": "light-purple", "over 1 h": "orange"},
        ),
    )


def _changes() -> Sequence[AnyPanel]:
    return (
        changes_begun(_SERVICE, of_one),
        levels(
            "Growth of all guests: time to each stage",
            "90 of 100 vCPUs that guests of its host were given came to a stage within so long of the "
            "request, in the time shown; none: there were none.",
            stages(Direction.UP),
            see=_HOST,
            unit=SECONDS,
            steps=STAGE_STEPS,
            words=NONE,
            width=16,
        ),
    )
