"""What a domain asks of its host, and how it counts there while it asks for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.arbiter import Request
from autoscaler.core.decide import ACTING, may_yield
from autoscaler.core.policy import Mode
from autoscaler.core.reason import OUT_OF_PLAY

if TYPE_CHECKING:
    from autoscaler.core.decision import Decision
    from autoscaler.core.domain_state import DomainState
    from autoscaler.core.policy import Policy


def request_of(state: DomainState, now_s: float, *, asks: bool) -> Request:
    """What the domain asks of its host, or, where it does not ask, how it counts there."""
    decision, committed, online = state.decision, state.committed, state.online
    return Request(
        domain=state.view.id,
        name=state.view.name,
        current=committed,
        floor=committed if decision is None else decision.lower,
        want=_wanted(state, asks=asks),
        ready=asks,
        priority=state.policy.host.priority,
        weight=state.policy.host.weight,
        yields=decision is not None and may_yield(state, decision, now_s),
        yielding=max(0, online - state.actuation.coming(online)),
    )


def prospect_of(state: DomainState, decision: Decision, policy: Policy) -> Request:
    """What the domain would ask of its host in the long run, were it decided like this from now on."""
    sits_out = _sits_out(state, decision)
    goal = state.committed if sits_out else decision.target
    return Request(
        domain=state.view.id,
        name=state.view.name,
        current=state.committed,
        floor=decision.lower,
        want=max(goal, state.committed) if decision.mode is Mode.UP_ONLY else goal,
        priority=policy.host.priority,
        weight=policy.host.weight,
        yields=decision.mode is Mode.AUTO and not sits_out,
        yielding=0,
    )


def _wanted(state: DomainState, *, asks: bool) -> int:
    """The vCPUs it asks for or, where it only cannot ask just now, those to keep for it.

    Else a vCPU that was taken back for it would go to others meanwhile, and be taken back again.
    """
    decision = state.decision
    if decision is not None and asks:
        return decision.next_vcpus
    if decision is None or _sits_out(state, decision):
        return state.committed
    hidden = decision.load is not None and decision.load.starved
    # Stolen time hides demand; what the strategy's memory would keep is still known.
    return max(state.committed, decision.target, min(decision.held, decision.upper) if hidden else 0)


def _sits_out(state: DomainState, decision: Decision) -> bool:
    """Whether it cannot use more for some time, or may not."""
    acts = decision.mode in ACTING if state.order is None else not state.order.pauses
    return not acts or decision.reason in OUT_OF_PLAY
