"""Work on many domains in parts that can be done anywhere: which domains go together, and what comes back.

Invariant: how domains are shared out changes nothing in what becomes of them; what a part of a rehearsal
gives back leaves out the demand, which whoever shared it out has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from autoscaler.service.rehearsal import check, rehearse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.core.policy import PolicySet
    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace

_MOST_DOMAINS = 50
_MOST_BYTES = 16_000_000
"""Of demand: a part travels whole, and is done anew where whoever had it is lost."""
_FOR_EACH = 2
"""Parts for each worker: few, for a step of a part costs little more for more domains; and yet more than one,
so that none is idle for long while another works on the last one."""


T_co = TypeVar("T_co", covariant=True)


class Part(Protocol[T_co]):
    """A part of some work, whole in itself: it can be pickled, and done anew where whoever had it is lost."""

    @property
    def domain_steps(self) -> int:
        """Its size."""
        ...

    def run(self, progress: Callable[[int], None] | None = None) -> T_co:
        """Do it; `progress` is told of domain-steps that are over."""
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some domains of a rehearsal, to be done by one process."""

    traces: tuple[Trace, ...]
    policies: PolicySet
    circumstances: Circumstances

    @property
    def domain_steps(self) -> int:
        """Its size."""
        return sum(len(trace.demand_vcpus) for trace in self.traces)

    def run(self, progress: Callable[[int], None] | None = None) -> list[Course]:
        """Rehearse it; the courses are without their demand.

        Raises:
            CannotRehearse, RehearsalFault: as `rehearse`.
        """
        found = rehearse(self.traces, self.policies, self.circumstances, progress=progress)
        return [replace(course, demand_vcpus=np.empty(0)) for course in found]


def chunks(
    traces: Sequence[Trace], policies: PolicySet, circumstances: Circumstances, *, workers: int
) -> list[Chunk]:
    """Share a rehearsal out among so many workers.

    Raises:
        CannotRehearse: as `rehearse`.
    """
    check(traces, policies, circumstances)
    return [
        Chunk(group, policies, circumstances) for group in share_out(traces, circumstances, workers=workers)
    ]


def share_out(
    traces: Sequence[Trace], circumstances: Circumstances, *, workers: int
) -> list[tuple[Trace, ...]]:
    """Put domains into groups for so many workers; those that share a host of a size stay together."""
    if circumstances.host_vcpus is not None:
        return [tuple(traces)]
    longest = max((trace.demand_vcpus.nbytes for trace in traces), default=1)
    fair = ceil(len(traces) / (_FOR_EACH * workers))
    size = max(1, min(fair, _MOST_DOMAINS, _MOST_BYTES // max(longest, 1)))
    return [tuple(traces[begin : begin + size]) for begin in range(0, len(traces), size)]


def put_together(traces: Sequence[Trace], done: Sequence[Sequence[Course]]) -> list[Course]:
    """The courses of all chunks, in the order of their traces."""
    courses = [course for found in done for course in found]
    return [
        replace(course, demand_vcpus=trace.demand_vcpus)
        for trace, course in zip(traces, courses, strict=True)
    ]
