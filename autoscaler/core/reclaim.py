"""Whether a vCPU that a domain does not use goes back to its host now.

Invariants: only a vCPU beyond those that the guest runs, and beyond those that a change under way will have
it run, ever goes, and only where what stays was enough for the time that the policy states; none goes while
the domain wants to grow, or is not seen; one at a time. None ever goes from a guest that QEMU is known to
emulate: several versions of it end, and the guest with them, at a later plug.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.model import CpuSource, RunState
from autoscaler.core.policy import Mode

if TYPE_CHECKING:
    from autoscaler.core.decide import Limits
    from autoscaler.core.domain_state import DomainState
    from autoscaler.core.learned import Learned
    from autoscaler.core.policy import Policy
    from autoscaler.core.stabilize import Target

_UNPLUGGING = frozenset({Mode.AUTO, Mode.RECOMMEND})


def unplug_to(
    state: DomainState, policy: Policy, learned: Learned, limits: Limits, target: Target, now_s: float
) -> int | None:
    """The vCPUs to stay plugged, one fewer than there are; None: none goes now."""
    down, removal, plugged = policy.down, state.removal, state.view.plugged
    idle_s = down.idle_s
    if idle_s is None or limits.mode not in _UNPLUGGING or state.actuation.busy or state.view.emulated:
        return None
    seen = (
        state.missing is None
        and state.load is not None
        and state.source is not CpuSource.HOST
        and state.view.state is RunState.RUNNING
    )
    wanted = max(target.vcpus, state.committed)
    if not seen or target.vcpus > state.online or plugged <= wanted:
        return None
    changes_s = (at_s for at_s in (state.actuation.last_change_s, removal.last_change_s) if at_s is not None)
    rested = now_s - max(changes_s, default=float("-inf")) >= down.cooldown_s
    enough_since_s = state.idle.since_s(plugged - 1)
    idle = enough_since_s is not None and now_s - enough_since_s >= idle_s
    if not (rested and idle) or learned.shrinks(now_s) >= down.per_day:
        return None
    return None if removal.obstacle(now_s) is not None else plugged - 1
