"""What another policy would decide for a domain on what is known of it now.

Invariant: a preview changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.decide import decide
from autoscaler.core.learned import Learned

if TYPE_CHECKING:
    from autoscaler.core.decision import Decision
    from autoscaler.core.domain_state import DomainState
    from autoscaler.core.policy import Policy


def preview(state: DomainState, policy: Policy, now_s: float, wall_s: float) -> Decision:
    """What would be decided now under another policy.

    Where another strategy or service level would forget what was learned, no hold of the past counts
    either: what is told is where the domain would settle.
    """
    learned = state.learned
    if policy.strategy != state.policy.strategy or policy.sla != state.policy.sla:
        learned = Learned(policy, now_s, lag_s=0.0)
        if state.load is not None:
            learned.recommender.take(state.load, now_s)
    return decide(state, policy, learned, now_s, wall_s)
