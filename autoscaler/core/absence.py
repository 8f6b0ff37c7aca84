"""What it means that a guest was not seen, or that nobody could follow a change in it now.

Invariant: that a host was seen says nothing of what its guest runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.model import Missing, MissingReason, RunState

if TYPE_CHECKING:
    from autoscaler.core.model import DomainView, Observation


def as_missing(observation: Observation, view: DomainView) -> Missing:
    """Why the guest was not seen, where its agent has answered before."""
    if isinstance(observation, Missing):
        return observation
    return Missing(
        at_s=observation.at_s,
        reason=MissingReason.AGENT_ABSENT,
        detail=observation.detail
        or f"the agent of domain {view.name!r} answered before and is gone: "
        "`systemctl start qemu-guest-agent` in the guest",
    )


def is_held(view: DomainView, observation: Observation) -> bool:
    """Whether a job, a freeze of the filesystems or a pause has the domain."""
    frozen = isinstance(observation, Missing) and observation.reason is MissingReason.FROZEN
    return frozen or bool(view.job) or view.state is not RunState.RUNNING
