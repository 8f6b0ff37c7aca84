"""A simulated host with the real fleet and controller, and what is out between them.

Invariant: a call of the controller comes back when the simulated call is over, in order of time.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, TypeVar

from autoscaler.backends.reached import Versions
from autoscaler.core.deadlines import Deadlines, DeadlineSettings
from autoscaler.replay.simulated_host import SimulatedHost
from autoscaler.service.controller import Controller
from autoscaler.service.fleet import Fleet
from autoscaler.service.host import Host
from autoscaler.service.lanes import outcome_of
from autoscaler.service.recorder import Recorder
from autoscaler.service.rehearsal_journal import RehearsalJournal
from autoscaler.service.settings import HostLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.core.deadlines import Stage
    from autoscaler.core.policy import PolicySet
    from autoscaler.errors import AutoscalerError
    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.readings import Readings
    from autoscaler.replay.simulated_guest import SimulatedGuest
    from autoscaler.replay.trace import Trace
    from autoscaler.service.lanes import Lane

T = TypeVar("T")
_Out = tuple[float, int, "Callable[[], None]"]

HERE = "replay"


class RehearsalHost:
    """One simulated host with a controller, and what is out between them."""

    def __init__(
        self,
        guests: Sequence[SimulatedGuest],
        readings: Readings,
        policies: PolicySet,
        circumstances: Circumstances,
        first: Trace,
    ) -> None:
        self._clock = _Clock(first.start_s)
        self._host = SimulatedHost(
            HERE, guests, readings=readings, clock=self._clock, vcpus=circumstances.host_vcpus
        )
        self.journal = RehearsalJournal(circumstances.lag)
        recorder = Recorder(self.journal)
        fleet = Fleet(
            [_as_host(self._host)],
            policies=policies,
            limits=_LIMITS,
            recorder=recorder,
            clock=self._clock,
        )
        fleet.shares(HERE).deadlines = _patient(circumstances.lag.longest_s)
        self._controller = Controller(
            fleet,
            recorder=recorder,
            clock=self._clock,
            submit=self._submit,
            instruments=None,
            publish=None,
            interval_s=first.step_s,
        )
        self._back: list[Callable[[], None]] = []
        """Calls that are over already."""
        self._out: list[_Out] = []
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
        wake_s = self._controller.settle()
        while self._back:
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
        *,
        host: str = "",  # noqa: ARG002 - as lanes are
    ) -> None:
        call = partial(then, outcome_of(work))
        duration_s = self._host.take_duration()
        if duration_s:
            out: _Out = (self._clock.now_s + duration_s, next(self._number), call)
            heapq.heappush(self._out, out)
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


_LIMITS = HostLimits(overcommit=1.0, operations_per_minute=1_000_000, delay_below_ratio=1.0)
"""No brake of a host but its size: what one domain does, or suffers, is not to stop another. A guest that is
stolen from still does not grow, by its own brake."""


class _AsConfigured(Deadlines):
    """Deadlines that learn nothing from one domain that another would be judged by."""

    def note(self, stage: Stage, seconds: float) -> None:
        """A change took so long, which is no surprise here."""


def _patient(longest_s: float) -> Deadlines:
    """Deadlines as of a host that is known to be so slow."""
    shipped, least_s = DeadlineSettings(), 2 * longest_s
    return _AsConfigured(
        replace(
            shipped,
            accepted_s=max(shipped.accepted_s, least_s),
            present_s=max(shipped.present_s, least_s),
            online_s=max(shipped.online_s, least_s),
        )
    )


def _as_host(simulated: SimulatedHost) -> Host:
    return Host(
        hypervisor=simulated,
        probe=simulated,
        cpus=simulated,
        machine=simulated,
        place=HERE,
        forget=lambda _: None,
        versions=lambda _: Versions(qemu=None, libvirt=None, agent=None),
    )
