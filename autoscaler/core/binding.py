"""What keeps a domain from any other size, in words with figures, and what raises a maximum far enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.condition import raising
from autoscaler.core.counted import vcpus
from autoscaler.core.reason import SENTENCES, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainView
    from autoscaler.core.policy import Policy
    from autoscaler.core.stabilize import Clamp


def sentence_of(decision: Decision) -> str:
    """Why a decision is what it is; of a limit, which one and how much it is."""
    clamp = next((clamp for clamp in decision.clamps if clamp.reason is decision.reason), None)
    if clamp is None:
        return SENTENCES[decision.reason]
    return limit_of(
        clamp,
        online=decision.online,
        policy=decision.policy,
        schedules=decision.schedules,
        maximum=decision.maximum,
    )


def limit_of(clamp: Clamp, *, online: int, policy: str, schedules: Sequence[str], maximum: int | None) -> str:
    """Which limit a step of a decision came up against, and how much it is.

    Args:
        clamp: the step.
        online: the vCPUs that a move starts from.
        policy: its name.
        schedules: the names of those in force.
        maximum: the most that the domain can have; None: not known, as of a decision of an earlier version.
    """
    after, bound = clamp.after, "no fewer than" if clamp.after > clamp.before else "at most"
    match clamp.reason:
        case Reason.AT_MAX if maximum is None:
            told = (
                f"policy {policy!r} or the domain allows at most {after}; which of them, this record of an "
                "earlier version does not say"
            )
        case Reason.AT_MAX if after == maximum:
            told = f"the domain can have at most {after}"
        case Reason.AT_MIN | Reason.AT_MAX:
            told = f"policy {policy!r} allows {bound} {after}"
        case Reason.SCHEDULE:
            told = f"schedule {' or '.join(map(repr, schedules))} allows {bound} {after}"
        case Reason.HOLD:
            told = f"{after} were needed a short while ago and are kept"
        case Reason.STEP:
            key = "down" if after < online else "up"
            told = f"one move is {vcpus(abs(after - online))} at most (limits.{key}.step)"
        case Reason.COOLDOWN:
            key = "down" if clamp.before < online else "up"
            told = f"the last change is too recent (limits.{key}.cooldown)"
        case reason:
            told = SENTENCES[reason]
    return told


def at_max(decision: Decision, policy: Policy, view: DomainView) -> str:
    """That a domain runs all that it may, what it wants, and all that has to be raised for that."""
    online, wanted = decision.online, max(decision.proposed, decision.online + 1)
    runs = "it runs the one vCPU" if online == 1 else f"it runs all {online} vCPUs"
    wants = f" and wants {wanted}" if decision.proposed > online else ""
    allowed = view.maximum if policy.max_vcpus is None else policy.max_vcpus
    by_schedule = bool(decision.schedules) and decision.upper != min(allowed, view.maximum)
    if by_schedule:
        who = f"policy {policy.name!r} allows at this hour"
    else:
        who = "the domain can have" if decision.upper >= view.maximum else f"policy {policy.name!r} allows"
    steps = []
    if by_schedule:
        schedules = " or ".join(map(repr, decision.schedules))
        steps.append(f"vcpus.max in its schedule {schedules} to {wanted}")
    elif policy.max_vcpus is not None and policy.max_vcpus < wanted:
        steps.append(f"vcpus.max in policy {policy.name!r} to {wanted}")
    if view.maximum < wanted:
        steps.append(f"the domain's maximum ({view.maximum}) to {wanted} by {raising(view.named, wanted)}")
    restart = ", then stop and start it" if view.maximum < wanted else ""
    return f"{runs} that {who}{wants}: raise {' and '.join(steps)}{restart}, or give it less to do"
