"""Advice by rehearsing candidates with the real controller; what to try and choose is `replay.advise`'s."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from autoscaler.core.policy import Match, PolicySet
from autoscaler.replay.advise import Advice, advise
from autoscaler.replay.simulated_host import uuid_of
from autoscaler.service.rehearsal import rehearse

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.core.policy import Policy
    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace


def advise_domain(
    trace: Trace,
    base: Policy,
    circumstances: Circumstances,
    *,
    governed: bool,
    progress: Callable[[int], None] | None = None,
) -> Advice:
    """What `replay.advise.advise` makes of the domain; `progress` is told of domain-steps that are over."""
    alone = Match(uuid=(uuid_of(trace.domain),))

    def course(policy: Policy) -> Course:
        policies = PolicySet((replace(policy, match=alone),))
        return rehearse([trace], policies, circumstances, progress=progress)[0]

    return advise(trace, base, course, governed=governed)
