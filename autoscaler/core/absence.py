"""What it means that a guest was not seen, or that nobody could follow a change in it now.

Invariant: that a host was seen says nothing of what its guest runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.model import CpuSource, Missing, MissingReason, RunState

if TYPE_CHECKING:
    from autoscaler.core.model import DomainView, Observation, Sample


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


def lost_its_agent(sample: Sample, before: CpuSource | None) -> bool:
    """Whether only the host side is left of a guest whose agent has answered before.

    `before`: the source of the sample before this one; None: there was none.
    """
    return sample.source is CpuSource.HOST and before not in {None, CpuSource.HOST}


def disbelief(view: DomainView, online: int, most: int) -> str:
    """Why a guest is not believed that lists more vCPUs online than it can run."""
    return (
        f"the agent of domain {view.name!r} lists {online} vCPUs online where {most} are plugged: "
        "it is not believed"
    )


def unbelievable(sample: Sample, view: DomainView, most: int) -> Missing:
    """What a sample is worth whose guest claims to run more vCPUs than the `most` that are plugged."""
    detail = disbelief(view, len(sample.online), most)
    return Missing(at_s=sample.at_s, reason=MissingReason.AGENT_NONSENSE, detail=detail)


def is_held(view: DomainView, observation: Observation) -> bool:
    """Whether a job, a freeze of the filesystems or a pause has the domain."""
    frozen = isinstance(observation, Missing) and observation.reason is MissingReason.FROZEN
    return frozen or bool(view.job) or view.state is not RunState.RUNNING
