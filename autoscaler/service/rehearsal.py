"""The real controller over simulated guests: what it would have made of recorded demand.

Nothing here decides anything. The interval is the traces' step: a tick is at the end of each. Where the host
has no size domains lie on one only to save time: each fares, to the last digit, as it would alone.

Invariant: what is due at the time of a tick comes before it; a fault in the controller ends the rehearsal.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from autoscaler.errors import AutoscalerError
from autoscaler.replay.plant import Plant
from autoscaler.replay.readings import Readings
from autoscaler.replay.simulated_guest import SimulatedGuest, policy_of
from autoscaler.replay.start import start_vcpus
from autoscaler.service.rehearsal_host import HERE, RehearsalHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from autoscaler.core.policy import Policy, PolicySet
    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace

_Grid = tuple[float, float, int]
"""Start, step, and how many steps."""

_TOGETHER = 100
"""Most domains on a host without a size: its arbiter looks at all of them when one wants to move."""
_REPORT_EVERY = 1 << 12
"""Domain-steps between two calls of `progress`."""


class CannotRehearse(AutoscalerError):
    """These traces cannot be rehearsed together, or not under these policies."""


def rehearse(
    traces: Sequence[Trace],
    policies: PolicySet,
    circumstances: Circumstances,
    *,
    progress: Callable[[int], None] | None = None,
) -> list[Course]:
    """What the policies make of each trace, in their order.

    `progress` is told of domain-steps that are over, so many at a time.

    Raises:
        CannotRehearse: no policy governs a domain, it has two traces, or those that are to share a host do
            not lie on one grid.
    """
    check(traces, policies, circumstances)
    grids: dict[_Grid, list[Trace]] = {}
    for trace in traces:
        grids.setdefault(_grid(trace), []).append(trace)
    found: dict[str, Course] = {}
    with _loud_on_faults():
        for alike in grids.values():
            most = len(alike) if circumstances.host_vcpus is not None else _TOGETHER
            for begin in range(0, len(alike), most):
                rehearsal = _Rehearsal(alike[begin : begin + most], policies, circumstances)
                found |= {course.domain: course for course in rehearsal.run(progress or (lambda _: None))}
    return [found[trace.domain] for trace in traces]


def check(traces: Sequence[Trace], policies: PolicySet, circumstances: Circumstances) -> None:
    """See that a rehearsal is possible.

    Raises:
        CannotRehearse: as `rehearse`.
    """
    seen: set[str] = set()
    for trace in traces:
        if trace.domain in seen:
            raise CannotRehearse(f"domain {trace.domain!r} has two traces: leave one out, or rename it")
        seen.add(trace.domain)
        _policy(trace, policies)
    if circumstances.host_vcpus is not None and len({_grid(trace) for trace in traces}) > 1:
        raise CannotRehearse(
            "domains that share a host need traces with one start, step and length: cut them to what they "
            "have in common, or give the host no size"
        )


class RehearsalFault(AutoscalerError):
    """The controller met a fault of its own; the cause says which."""


class _Rehearsal:
    """Domains of one host, run side by side; their traces lie on one grid."""

    def __init__(self, traces: Sequence[Trace], policies: PolicySet, circumstances: Circumstances) -> None:
        first = traces[0]
        self._traces = traces
        online = [_start(trace, policies) for trace in traces]
        stolen_ratio = circumstances.stolen_ratio(len(first.demand_vcpus), first.step_s)
        self._plant = Plant(traces, online, stolen_ratio)
        self._readings = Readings(self._plant, traces, circumstances)
        self._guests = [
            SimulatedGuest(row, trace, self._plant, host=HERE, circumstances=circumstances)
            for row, trace in enumerate(traces)
        ]
        self._host = RehearsalHost(self._guests, self._readings, policies, circumstances, first)

    def run(self, progress: Callable[[int], None]) -> list[Course]:
        plant, over = self._plant, 0
        for _ in range(plant.steps):
            self._host.tick(plant.now_s)
            self._host.run(plant.now_s + plant.step_s)
            plant.advance()
            self._readings.look()
            over += len(self._guests)
            if over >= _REPORT_EVERY:
                progress(over)
                over = 0
        progress(over)
        courses = plant.courses()
        return [self._explained(guest, courses[guest.row]) for guest in self._guests]

    def _explained(self, guest: SimulatedGuest, course: Course) -> Course:
        """A course whose moves say why."""
        why = self._host.journal.why
        moves = tuple(replace(move, reason=why(guest.id, move.at_s)) for move in course.moves)
        return replace(course, moves=moves)


def _grid(trace: Trace) -> _Grid:
    return trace.start_s, trace.step_s, len(trace.demand_vcpus)


def _policy(trace: Trace, policies: PolicySet) -> Policy:
    """The policy that governs a domain."""
    policy = policy_of(trace.domain, policies)
    if policy is None:
        raise CannotRehearse(
            f"no policy matches domain {trace.domain!r}: add its name to a policy's match, or leave it out"
        )
    return policy


def _start(trace: Trace, policies: PolicySet) -> int:
    """VCPUs of a domain at the start of a rehearsal."""
    policy = _policy(trace, policies)
    return start_vcpus(trace, policy.sla, least=policy.min_vcpus)


@contextmanager
def _loud_on_faults() -> Iterator[None]:
    """Keep the log from simulated guests, and let no fault pass that a service would survive."""
    log = logging.getLogger("autoscaler")
    handlers, propagate, log.handlers, log.propagate = log.handlers, log.propagate, [_Fatal()], False
    try:
        yield
    finally:
        log.handlers, log.propagate = handlers, propagate


class _Fatal(logging.Handler):
    """Raises what is logged as an error."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            raise RehearsalFault(f"{record.getMessage()} (in a rehearsal)")
