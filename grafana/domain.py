"""One domain, and the one question: why is it this size?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.operation import Direction
from grafana.frame import annotation, board, filled, link
from grafana.panels import figure, levels, lines, states
from grafana.parts import BUDGET, BURNS, GREY, PERCENT, SECONDS, VCPUS, Ask, While
from grafana.queries import (
    NONE,
    RATE,
    STAGE_STEPS,
    STATES,
    burn_rate,
    conditions,
    each,
    of_one,
    stages,
    state,
    vcpus,
)
from grafana.shared import changes_begun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana_foundation_sdk.builders.dashboard import Dashboard

    from grafana.frame import AnyPanel

_HOST = link("Its host", "host")
_FLEET = link("All guests", "fleet")
_SERVICE = link("The autoscaler itself", "autoscaler")
_BAD_SLICES = of_one("slo_slices_total", ', outcome="bad"')


def domain() -> Dashboard:
    """The dashboard of one domain, its changes marked on every panel over time."""
    text = "Why is it this size? `autoscaler explain` says it in words."
    dashboard = filled(
        board("domain", "vCPU autoscaler / Domain", text, one_domain=True),
        {
            "Now": _now(),
            "Why is it this size?": _why(),
            "Its promise": _promise(),
            "Its changes": _changes(),
        },
    )
    changes = of_one("scaling_operations_total")
    conditions = of_one("domain_condition")
    return dashboard.annotation(
        annotation(
            "Changes begun",
            f"increase({changes}{RATE}) > 0",
            "{{direction}}",
            "a change began: {{direction}}",
            "blue",
        )
    ).annotation(
        annotation("Conditions", f"{conditions} == 1", "{{condition}}", "{{condition}} is in force", "orange")
    )


def _now() -> Sequence[AnyPanel]:
    return (
        figure(
            "Runs",
            "vCPUs that the guest's kernel runs now, by its own word.",
            f"max({vcpus('online', of_one)})",
            see=_FLEET,
            width=3,
            unit=VCPUS,
        ),
        figure(
            "Should run",
            "The target that the last decision came to, within all bounds.",
            f"max({vcpus('target', of_one)})",
            see=_FLEET,
            width=3,
            unit=VCPUS,
        ),
        figure(
            "May run",
            "The most that policy, schedule and domain allow at this hour.",
            f"max({vcpus('max', of_one)})",
            see=_FLEET,
            width=3,
            unit=VCPUS,
        ),
        figure(
            "Utilisation",
            "Busy share of the vCPUs that it runs. Yellow where a slice of the last 10 minutes was bad: how "
            "much is too much is for its policy to say.",
            f"max({of_one('domain_utilization_ratio')})",
            see=_HOST,
            width=3,
            unit=PERCENT,
            otherwise=While(f"sum(increase({_BAD_SLICES}[10m])) > 0", ((None, "yellow"),)),
        ),
        figure(
            "Promise kept so far",
            "Good share of what was measured of its SLO window; for how long that was is beside it. Red "
            "where it is less than the policy promises.",
            f"min({of_one('slo_attained_ratio')})",
            see=_FLEET,
            unit=PERCENT,
            width=3,
            steps=((None, "green"),),
            otherwise=While(
                f"{of_one('slo_attained_ratio')} < {of_one('slo_objective_ratio')}", ((None, "red"),)
            ),
        ),
        figure(
            "Seen for",
            "How much of its SLO window was measured: what the share beside it is a share of.",
            f"max({of_one('slo_measured_seconds')})",
            see=_FLEET,
            unit=SECONDS,
            width=3,
        ),
        figure(
            "Window's budget left",
            "Share of the bad slices that a whole SLO window allows which is not spent. Below 0: overspent. "
            "Yellow, too, while it is spent faster than it lasts, by the burn rate of an hour.",
            f"min({of_one('slo_error_budget_remaining_ratio')})",
            see=_FLEET,
            unit=PERCENT,
            width=3,
            steps=BUDGET,
            otherwise=While(f"{burn_rate('domain', '1h', of_one)} > 1", BUDGET[:2]),
        ),
        figure(
            "State",
            "The worst of the conditions in force; all of them are below.",
            state("domain", of_one),
            see=_FLEET,
            width=3,
            words=STATES,
        ),
        states(
            "Conditions",
            "What was wrong with it, or ordered for it, and when; `autoscaler explain` has what to do.",
            [
                Ask(state("domain", of_one), "state"),
                Ask(f"max by (condition) {conditions(of_one)}", "{{condition}}"),
            ],
            see=_FLEET,
            words=STATES,
            width=24,
            height=6,
        ),
    )


def _why() -> Sequence[AnyPanel]:
    return (
        lines(
            "Demand against vCPUs",
            "What the guest used and wanted, what it runs and is to run, and the bounds: the target stays "
            "where demand needs it, and between the dashed lines.",
            [
                Ask(vcpus("online", of_one), "runs"),
                Ask(vcpus("target", of_one), "target"),
                Ask(of_one("domain_demand_vcpus"), "wanted"),
                Ask(of_one("domain_busy_vcpus"), "used"),
                Ask(vcpus("min", of_one), "min"),
                Ask(vcpus("max", of_one), "max"),
            ],
            see=_HOST,
            unit=VCPUS,
            width=24,
            height=11,
            stairs=["runs", "target"],
            dashed=["min", "max"],
            widths={"runs": 7, "target": 4, "wanted": 4, "used": 2, "min": 2, "max": 2},
            colors={
                "used": "blue",
                "wanted": "purple",
                "runs": "green",
                "target": "orange",
                "min": GREY,
                "max": GREY,
            },
        ),
        lines(
            "What decided",
            "Share of the decisions by the reason that they had: `demand-high` grew it, `hold` and "
            "`cooldown` kept it, `at-max`, `host-full` or `stolen` kept it from growing.",
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
            colors={
                "steady": "green",
                "demand-high": "orange",
                "demand-low": "purple",
                "hold": "blue",
                "warming-up": GREY,
                "tolerance": "super-light-green",
            },
        ),
        lines(
            "vCPUs by state",
            "Those plugged into QEMU, those of them that the guest runs, what the strategy asked for "
            "before any limit, and the domain's own maximum.",
            [
                Ask(vcpus("plugged", of_one), "plugged"),
                Ask(vcpus("online", of_one), "online"),
                Ask(vcpus("proposed", of_one), "proposed"),
                Ask(vcpus("maximum", of_one), "maximum"),
            ],
            see=_HOST,
            unit=VCPUS,
            stairs=["plugged", "online", "proposed"],
            dashed=["maximum"],
            widths={"plugged": 8, "online": 5, "proposed": 2, "maximum": 2},
            colors={"plugged": "purple", "online": "green", "proposed": "orange", "maximum": GREY},
        ),
    )


def _promise() -> Sequence[AnyPanel]:
    return (
        lines(
            "Utilisation and steal",
            "Busy share of its vCPUs, which at 100 % are all in use, and the share of their time that the "
            "host withheld: above 10 % growth would not help, and stops. What is too busy for its promise, "
            "the slices say.",
            [
                Ask(of_one("domain_utilization_ratio"), "utilisation"),
                Ask(of_one("domain_steal_ratio"), "steal"),
            ],
            see=_HOST,
            unit=PERCENT,
            width=6,
            steps=((None, "green"), (1, "red")),
        ),
        lines(
            "Slices",
            "Slices of its service level as they closed. Unknown ones were not measured, and count for "
            "neither.",
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
            "How fast the budget is spent, by the time looked at: at 1 it lasts just for the SLO window. "
            "Above 14.4 in an hour somebody is woken up, if three slices or more were bad.",
            [Ask(burn_rate("domain", window, of_one), window) for window in ("1h", "6h")],
            see=_FLEET,
            width=6,
            steps=BURNS,
        ),
    )


def _changes() -> Sequence[AnyPanel]:
    return (
        changes_begun(_SERVICE, of_one),
        levels(
            "Growth of all guests: time to each stage",
            "90 of 100 changes on its host came to a stage within so long of the request: QEMU accepted it, "
            "the guest lists it, the guest runs it, the load fits.",
            stages(Direction.UP),
            see=_HOST,
            unit=SECONDS,
            steps=STAGE_STEPS,
            words=NONE,
            width=16,
        ),
    )
