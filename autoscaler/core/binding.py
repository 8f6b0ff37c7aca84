"""Which maximum keeps a domain from more vCPUs, in words, and what raises it far enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.condition import raising
from autoscaler.core.reason import SENTENCES, Reason

if TYPE_CHECKING:
    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainView
    from autoscaler.core.policy import Policy


def sentence_of(decision: Decision, policy: Policy, view: DomainView) -> str:
    """Why a decision is what it is; of a maximum, which one and how much it is."""
    if decision.reason is not Reason.AT_MAX:
        return SENTENCES[decision.reason]
    if policy.max_vcpus is None or policy.max_vcpus >= view.maximum:
        return f"the domain has at most {view.maximum}"
    return f"policy {policy.name!r} allows {policy.max_vcpus}"


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
