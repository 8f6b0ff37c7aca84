"""The real controller over simulated guests: what it would have made of recorded demand.

Nothing here decides anything. Each domain is a host of its own, with its own controller, so that it fares as it
would alone; where the circumstances give the host a size, all domains are on that one host. The interval is the
traces' step: a tick is at the end of each.

Invariant: a call of the controller comes back when the simulated call is over, in order of time, and what is
due at the time of a tick comes before it.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry

from autoscaler.core.deadlines import DeadlineSettings
from autoscaler.ports import AutoscalerError
from autoscaler.replay.plant import Plant
from autoscaler.replay.readings import Readings
from autoscaler.replay.simulated_host import SimulatedGuest, SimulatedHost, uuid_of
from autoscaler.replay.start import start_vcpus
from autoscaler.service.controller import Controller
from autoscaler.service.fleet import Fleet
from autoscaler.service.host import Host, Versions
from autoscaler.service.instruments import Instruments
from autoscaler.service.lanes import outcome_of
from autoscaler.service.recorder import Recorder
from autoscaler.service.rehearsal_journal import RehearsalJournal
from autoscaler.service.settings import HostLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.core.policy import PolicySet
    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace
    from autoscaler.service.lanes import Lane

T = TypeVar("T")

_HERE = "replay"
_REPORT_EVERY = 1 << 14
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
        CannotRehearse: no policy governs a domain; or traces that are to share a host do not lie on one grid.
    """
    grids: dict[tuple[float, float, int], list[Trace]] = {}
    for trace in traces:
        grids.setdefault((trace.start_s, trace.step_s, len(trace.demand_vcpus)), []).append(trace)
    if circumstances.host_vcpus is not None and len(grids) > 1:
        raise CannotRehearse(
            "domains that share a host need traces with one start, step and length: cut them to what they "
            "have in common, or give the host no size"
        )
    found: dict[str, Course] = {}
    for together in grids.values():
        rehearsal = _Rehearsal(together, policies, circumstances)
        found |= {course.domain: course for course in rehearsal.run(progress or (lambda _: None))}
    return [found[trace.domain] for trace in traces]


class _Rehearsal:
    """Traces of one grid, run side by side."""

    def __init__(self, traces: Sequence[Trace], policies: PolicySet, circumstances: Circumstances) -> None:
        first = traces[0]
        steps = len(first.demand_vcpus)
        online = [_start(trace, policies) for trace in traces]
        self._plant = Plant(traces, online, circumstances.stolen_ratio(steps, first.step_s))
        self._readings = Readings(self._plant, traces, circumstances)
        self._guests = [
            SimulatedGuest(row, trace, self._plant, host=_HERE, circumstances=circumstances)
            for row, trace in enumerate(traces)
        ]
        shared = circumstances.host_vcpus is not None
        instruments = Instruments(CollectorRegistry())
        self._machines = [
            _Machine(guests, self._readings, policies, circumstances, instruments, first)
            for guests in ([self._guests] if shared else [[guest] for guest in self._guests])
        ]
        self._machine_of = self._machines * len(traces) if shared else self._machines

    def run(self, progress: Callable[[int], None]) -> list[Course]:
        plant, over = self._plant, 0
        for _ in range(plant.steps):
            now_s, next_s = plant.now_s, plant.now_s + plant.step_s
            for machine in self._machines:
                machine.tick(now_s)
                machine.run(next_s)
            plant.advance()
            self._readings.look()
            over += len(self._guests)
            if over >= _REPORT_EVERY:
                progress(over)
                over = 0
        progress(over)
        return [self._explained(row, course) for row, course in enumerate(plant.courses())]

    def _explained(self, row: int, course: Course) -> Course:
        """A course whose moves say why."""
        journal, domain = self._machine_of[row].journal, self._guests[row].id
        moves = tuple(replace(move, reason=journal.why(domain, move.at_s)) for move in course.moves)
        return replace(course, moves=moves)


class _Machine:
    """One simulated host with a controller, and what is out between them."""

    def __init__(
        self,
        guests: Sequence[SimulatedGuest],
        readings: Readings,
        policies: PolicySet,
        circumstances: Circumstances,
        instruments: Instruments,
        first: Trace,
    ) -> None:
        self._clock = _Clock(first.start_s)
        self._host = SimulatedHost(
            _HERE, guests, readings=readings, clock=self._clock, vcpus=circumstances.host_vcpus
        )
        self.journal = RehearsalJournal(circumstances.lag)
        recorder = Recorder(self.journal)
        fleet = Fleet(
            [_as_host(self._host)],
            policies=policies,
            limits=_LIMITS,
            deadlines=_patient(circumstances.lag.longest_s),
            recorder=recorder,
            clock=self._clock,
        )
        self._controller = Controller(
            fleet,
            recorder=recorder,
            clock=self._clock,
            submit=self._submit,
            instruments=instruments,
            publish=lambda _: None,
            interval_s=first.step_s,
        )
        self._back: list[Callable[[], None]] = []
        """Calls that are over already."""
        self._out: list[tuple[float, int, Callable[[], None]]] = []
        """Calls that take their time, by when they are over."""
        self._number = itertools.count()
        self._wake_s = inf

    def tick(self, now_s: float) -> None:
        """Have the controller begin a tick, and end it: no simulated guest keeps it waiting."""
        self._clock.now_s = now_s
        self._controller.tick()
        self._settle()

    def run(self, end_s: float) -> None:
        """Let what is due up to then happen at its time."""
        while self._wake_s <= end_s:
            self._clock.now_s = max(self._clock.now_s, self._wake_s)
            while self._out and self._out[0][0] <= self._clock.now_s:
                heapq.heappop(self._out)[2]()
            self._settle()

    def _settle(self) -> None:
        while self._back:
            back, self._back = self._back, []
            for call in back:
                call()
        wake_s = self._controller.settle()
        due_s = self._out[0][0] if self._out else inf
        self._wake_s = due_s if wake_s is None else min(due_s, wake_s)

    def _submit(
        self,
        lane: Lane,  # noqa: ARG002 - no lane is ever full
        work: Callable[[], T],
        then: Callable[[T | AutoscalerError], None],
    ) -> None:
        call = partial(then, outcome_of(work))
        duration_s = self._host.take_duration()
        if duration_s:
            heapq.heappush(self._out, (self._clock.now_s + duration_s, next(self._number), call))
        else:
            self._back.append(call)


class _Clock:
    """Stands still until it is set; seconds since the traces' start."""

    def __init__(self, start_s: float) -> None:
        self.now_s = 0.0
        self._start_s = start_s

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self._start_s + self.now_s


_LIMITS = HostLimits(overcommit=1.0, operations_per_minute=1_000_000)
"""Of the brakes on a host only those that its circumstances give a reason for."""


def _patient(longest_s: float) -> DeadlineSettings:
    """Deadlines as for a host that is known to be so slow."""
    shipped = DeadlineSettings()
    return replace(shipped, online_s=max(shipped.online_s, 2 * longest_s))


def _as_host(simulated: SimulatedHost) -> Host:
    return Host(
        hypervisor=simulated,
        probe=simulated,
        cpus=simulated,
        machine=simulated,
        place=_HERE,
        forget=lambda _: None,
        versions=lambda _: Versions(qemu=None, libvirt=None, agent=None),
    )


def _start(trace: Trace, policies: PolicySet) -> int:
    """VCPUs of a domain at the start of a rehearsal."""
    policy = policies.governing(trace.domain, uuid_of(trace.domain))
    if policy is None:
        raise CannotRehearse(
            f"no policy matches domain {trace.domain!r}: add its name to a policy's match, or leave it out"
        )
    return start_vcpus(trace, policy.sla, least=policy.min_vcpus)
