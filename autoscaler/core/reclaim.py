"""Whether a vCPU that a domain does not use goes back to its host now.

Invariants: only a vCPU beyond those that the guest runs, and beyond those that a change under way will have
it run, ever goes; none goes while the domain wants to grow, or is not seen; one at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.model import CpuSource, RunState
from autoscaler.core.policy import Mode

if TYPE_CHECKING:
    from autoscaler.core.decide import Facts, Limits
    from autoscaler.core.learned import Learned
    from autoscaler.core.policy import Policy
    from autoscaler.core.stabilize import Target

_UNPLUGGING = frozenset({Mode.AUTO, Mode.RECOMMEND})


def unplug_to(
    facts: Facts, policy: Policy, learned: Learned, limits: Limits, target: Target, now_s: float
) -> int | None:
    """The vCPUs to stay plugged, one fewer than there are; None: none goes now."""
    down, idle_s, removal = policy.down, policy.down.idle_s, facts.removal
    if idle_s is None or limits.mode not in _UNPLUGGING or removal is None or removal.spare_since_s is None:
        return None
    seen = (
        facts.missing is None
        and facts.load is not None
        and facts.source is not CpuSource.HOST
        and facts.view.state is RunState.RUNNING
    )
    wanted = max(target.vcpus, facts.committed)
    if not seen or target.vcpus > facts.online or facts.view.plugged <= wanted:
        return None
    changes_s = [at_s for at_s in (facts.last_change_s, removal.last_change_s) if at_s is not None]
    rested = now_s - max(changes_s, default=float("-inf")) >= down.cooldown_s
    idle = now_s - removal.spare_since_s >= idle_s
    if not (rested and idle) or learned.shrinks(now_s) >= down.per_day:
        return None
    return None if removal.obstacle(now_s) is not None else facts.view.plugged - 1
