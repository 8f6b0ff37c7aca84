"""Which conditions a domain shows now.

Invariant: what is said follows from what is known at this moment; nothing is remembered here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.breaking import at_risk, breaking
from autoscaler.core.condition import (
    Condition,
    by_hand,
    doubted,
    emulated,
    headroom,
    held,
    left_alone,
    unconfirmed,
)
from autoscaler.core.decide import is_by_hand
from autoscaler.core.model import CpuSource, MissingReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.core.corroboration import Doubt
    from autoscaler.core.domain_state import DomainState
    from autoscaler.core.model import DomainView
    from autoscaler.core.policy import Policy


def diagnosis(
    state: DomainState, now_s: float, *, late: bool, why_host: str, doubt: Doubt | None
) -> Mapping[Condition, str]:
    """What is wrong with a domain now, each with its sentence.

    Args:
        state: the domain.
        now_s: `Clock.monotonic_s`.
        late: whether all that a missing sample lacks is an answer that may still come.
        why_host: why its guest itself is not the source of its load, where that is known.
        doubt: what it claims and the host did not see; None: it is believed.
    """
    view, policy, missing = state.view, state.policy, state.missing
    found = _promise(state)
    found.update(state.removal.conditions)
    found.update(state.actuation.conditions)
    if view.job:
        found[Condition.HELD] = held(view)
    if missing is not None and missing.reason is MissingReason.FROZEN:
        found[Condition.HELD] = missing.detail
    elif missing is not None and not late:
        found[Condition.NO_SAMPLE] = missing.detail
        if missing.reason is MissingReason.AGENT_LEFT_ALONE:
            found[Condition.AGENT_LEFT_ALONE] = left_alone(view.name)
    elif state.source is CpuSource.HOST:
        found[Condition.UNCONFIRMED] = unconfirmed(view.name, why_host)
    if doubt is not None:
        found[Condition.DOUBTED] = doubted(view.name, doubt)
    found.update(_at_odds(view, policy, state.decision.proposed if state.decision else 0))
    since_s = state.by_hand.since_s
    if since_s is not None and is_by_hand(since_s, policy, now_s):
        left_s = since_s + policy.manual_change.respect_for_s - now_s
        found[Condition.BY_HAND] = by_hand(view, state.known_online, left_s)
    if state.order is not None:
        found[Condition.PAUSED if state.order.pauses else Condition.ORDERED] = state.order.sentence
    return found


def _promise(state: DomainState) -> dict[Condition, str]:
    """How its promise stands, where that is not as it should be; broken or at risk, never both."""
    slo = state.learned.slo
    if slo.burn is not None:
        return {Condition.BREAKING: breaking(state, slo.burn)}
    return {Condition.AT_RISK: at_risk(state, slo.at_risk_s)} if slo.at_risk_s else {}


def _at_odds(view: DomainView, policy: Policy, proposed: int) -> Mapping[Condition, str]:
    """What the policy asks for, and the domain as it was started does not allow."""
    found = {}
    short = headroom(view, policy, proposed)
    if short is not None:
        found[Condition.NO_HEADROOM] = short
    if view.emulated and policy.down.idle_s is not None:
        found[Condition.EMULATED] = emulated(view.name, policy)
    return found
