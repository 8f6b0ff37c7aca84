"""How one domain stands now: what it is promised, what is wrong, what it runs, how much is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.condition import Condition
from grafana.frame import link
from grafana.panels import figure, sentence, states
from grafana.parts import (
    GREY,
    ONE_VCPU,
    PERCENT,
    SECONDS,
    SPENT_IS_BAD,
    SPENT_IS_BROKEN,
    TIMES,
    TOO_FAST,
    VCPUS,
    Ask,
    While,
)
from grafana.queries import (
    behind,
    burn_rate,
    conditions,
    deciding,
    in_force,
    kept_back,
    of_one,
    promised,
    state,
    vcpus,
)
from grafana.states import REASONS, REASONS_SAID, STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana.frame import AnyPanel

NAME = "${domain:singlequote}"
"""The domain in a command line, for a shell."""
_HOST = link("Its host", "host")
_FLEET = link("All guests", "fleet")
_BAD_SLICES = of_one("slo_slices_total", ', outcome="bad"')
_BREAKING, _UNREAD = (in_force(one, of_one) for one in (Condition.BREAKING, Condition.NO_SAMPLE))
_AS_OF_THEN = While(_UNREAD, ((None, GREY),))


def domain_now() -> Sequence[AnyPanel]:
    """The panels that say so."""
    return (
        sentence(
            "What it is promised",
            "Its policy's `sla`: the indicator, its limit, and in what share of the slices of how long it "
            f"is to be below that. `autoscaler slo {NAME}` says how that stands, in figures.",
            Ask(promised("policy", of_one), "{{promise}}"),
            see=_FLEET,
            width=10,
        ),
        figure(
            "State",
            "The worst of what is known of it; all conditions in force are below. On its host `autoscaler "
            f"show {NAME}` has each with what to do. *no-sample*: `autoscaler doctor {NAME}` says why its "
            "load cannot be read; mostly `systemctl restart qemu-guest-agent` in the guest mends it. "
            "*autoscaler paused by hand*: for this guest or for all; the guest itself runs on, and is not "
            f"resized. `autoscaler show {NAME}` says by whom and until when, `autoscaler resume {NAME}` "
            "ends it, or `autoscaler resume --all`.",
            state("domain", of_one),
            see=_FLEET,
            width=7,
            words=STATES,
        ),
        sentence(
            "Why this size",
            "What decided its size last: its load, or what keeps it from more or from fewer. Paused by hand: "
            "whatever its load needs. At its max: a higher `vcpus.max` of its policy allows more, unless the "
            "domain's definition does not. "
            f"`autoscaler explain {NAME}` says it step by step.",
            Ask(f"topk(1, {deciding(of_one)})", "{{reason}}"),
            see=_HOST,
            width=7,
            words=REASONS_SAID,
            colors=REASONS,
        ),
        figure(
            "Wants (proposed)",
            "What its strategy asks for before any limit, order or pause. Orange where it is more than the "
            "guest runs and something keeps it from them, which is above.",
            f"max({vcpus('proposed', of_one)})",
            see=_FLEET,
            width=4,
            unit=VCPUS,
            words=ONE_VCPU,
            otherwise=(While(kept_back("domain", of_one), ((None, "orange"),)),),
        ),
        figure(
            "Runs (online)",
            "Online vCPUs: those that the guest's kernel runs now, by its own word.",
            f"max({vcpus('online', of_one)})",
            see=_FLEET,
            width=5,
            unit=VCPUS,
            words=ONE_VCPU,
        ),
        figure(
            "Should run (target)",
            "The target: what the last decision came to, within all bounds. While it differs from online, a "
            f"change is under way or something keeps it from one: `autoscaler explain {NAME}` says what.",
            f"max({vcpus('target', of_one)})",
            see=_FLEET,
            width=5,
            unit=VCPUS,
            words=ONE_VCPU,
        ),
        figure(
            "May run (max)",
            "Max: the most vCPUs that policy, schedule and domain allow at this hour.",
            f"max({vcpus('max', of_one)})",
            see=_FLEET,
            width=5,
            unit=VCPUS,
            words=ONE_VCPU,
        ),
        figure(
            "Utilisation",
            "Busy share of the vCPUs that it runs. Yellow where a slice of the last 10 minutes was bad: how "
            "much is too much is for its policy to say.",
            f"max({of_one('domain_utilization_ratio')})",
            see=_HOST,
            width=5,
            unit=PERCENT,
            otherwise=(While(f"sum(increase({_BAD_SLICES}[10m])) > 0", ((None, "yellow"),)),),
        ),
        figure(
            "Promise kept so far",
            "Good share of what was measured of its SLO window; for how long that was is beside it. Yellow "
            "where it is less than was promised, red while the promise is being broken, grey as long as its "
            "load is not read: then it says how it was.",
            f"min({of_one('slo_attained_ratio')})",
            see=_FLEET,
            unit=PERCENT,
            width=5,
            steps=((None, "green"),),
            otherwise=(
                While(_BREAKING, ((None, "red"),)),
                _AS_OF_THEN,
                While(behind(of_one), ((None, "yellow"),)),
            ),
        ),
        figure(
            "Time seen",
            "How much of its SLO window was measured: what the share beside it is a share of.",
            f"max({of_one('slo_measured_seconds')})",
            see=_FLEET,
            unit=SECONDS,
            width=5,
        ),
        figure(
            "Budget left",
            "Share of the bad slices that its whole SLO window allows, the time still to come included, "
            "which is not spent. Below 0: overspent. Yellow, too, while it is spent faster than it lasts; "
            "grey as long as its load is not read.",
            f"min({of_one('slo_error_budget_remaining_ratio')})",
            see=_FLEET,
            unit=PERCENT,
            width=5,
            steps=SPENT_IS_BAD,
            otherwise=(
                While(_BREAKING, SPENT_IS_BROKEN),
                _AS_OF_THEN,
                While(f"{burn_rate('domain', '1h', of_one)} > 1", ((None, "yellow"),)),
            ),
        ),
        figure(
            "Burn rate, 1 h",
            "How many times as fast as it can bear the error budget was spent in the last hour. At 1 it "
            "lasts just for the SLO window; few slices make high rates, and the state says whether that "
            "breaks the promise. Grey as long as its load is not read.",
            f"max({burn_rate('domain', '1h', of_one)})",
            see=_FLEET,
            unit=TIMES,
            width=5,
            steps=TOO_FAST,
            otherwise=(While(_BREAKING, ((None, "green"), (1, "red"))), _AS_OF_THEN),
        ),
        figure(
            "Unread for",
            "How long its load could not be read, while that is so. What is said of its promise is as of "
            f"then. `autoscaler doctor {NAME}` says why.",
            f"max((time() - {of_one('domain_last_sample_timestamp_seconds')} and on (job, instance, domain) "
            f"{_UNREAD}) or 0 * {of_one('domain_info')})",
            see=_FLEET,
            unit=SECONDS,
            width=4,
            steps=((None, "green"), (1, "orange")),
            words={"0": ("it is read", "green")},
        ),
        states(
            "Conditions",
            "What was wrong with it, or ordered for it, and when: `state` is the worst at its time, the "
            f"others are by their names. `autoscaler show {NAME}` has what to do.",
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
