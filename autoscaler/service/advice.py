"""Advice by rehearsing candidates with the real controller; what to try and choose is `replay.advise`'s."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autoscaler.core.policy import Match, PolicySet
from autoscaler.replay.advise import MOST_CANDIDATES, advise
from autoscaler.replay.simulated_guest import uuid_of
from autoscaler.service.rehearsal import rehearse

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.core.policy import Policy
    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.proposal import Advice
    from autoscaler.replay.trace import Trace


@dataclass(frozen=True, slots=True)
class AdvicePart:
    """Some domains that advice is wanted for; a `rehearsal_chunks.Part`."""

    traces: tuple[Trace, ...]
    bases: tuple[tuple[Policy, bool], ...]
    """For each trace, where a proposal starts from, and whether that governs the domain already."""
    circumstances: Circumstances

    @property
    def domain_steps(self) -> int:
        """What it takes at most."""
        return MOST_CANDIDATES * sum(len(trace.demand_vcpus) for trace in self.traces)

    def run(self, progress: Callable[[int], None] | None = None) -> list[Advice]:
        """What to do with each domain; candidates of all of them are rehearsed side by side."""
        found: dict[str, Advice] = {}
        asking = {
            trace.domain: (trace, advise(trace, base, governed=governed))
            for trace, (base, governed) in zip(self.traces, self.bases, strict=True)
        }
        answers = dict.fromkeys(asking)
        while asking:
            wanted: list[tuple[Trace, Policy]] = []
            for domain, (trace, dialogue) in list(asking.items()):
                try:
                    wanted.append((trace, dialogue.send(answers[domain])))  # type: ignore[arg-type]
                except StopIteration as end:
                    found[domain] = end.value
                    del asking[domain]
            policies = PolicySet(tuple(_for(trace, policy) for trace, policy in wanted))
            courses = rehearse(
                [trace for trace, _ in wanted], policies, self.circumstances, progress=progress
            )
            answers = {course.domain: course for course in courses}
        return [found[trace.domain] for trace in self.traces]


def _for(trace: Trace, policy: Policy) -> Policy:
    """The policy, for this domain alone."""
    return replace(policy, match=Match(uuid=(uuid_of(trace.domain),)))
