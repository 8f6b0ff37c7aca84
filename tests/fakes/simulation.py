"""The real controller over simulated hosts, each piece of work taking as long as its guest says."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import TypeVar
from weakref import finalize

from prometheus_client import CollectorRegistry

from autoscaler.core.model import DomainId, DomainView
from autoscaler.core.policy import Policy, PolicySet
from autoscaler.errors import AutoscalerError
from autoscaler.ports import Clock
from autoscaler.service.controller import Controller
from autoscaler.service.fleet import Fleet
from autoscaler.service.instruments import Instruments
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.lanes import Lane, Submit, outcome_of
from autoscaler.service.recorder import Recorder
from autoscaler.service.settings import Config, HostLimits
from autoscaler.service.snapshot import DomainSnapshot, Snapshot
from autoscaler.service.tape import Tape, TapedClock, TapedSubmit, start_of
from autoscaler.service.taped import TapedController, TapedJournal
from tests.fakes.simulated_guest import SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost

T = TypeVar("T")

FLUSH_EVERY_S = 60.0
ROOMY = HostLimits(operations_per_minute=6000)
"""A host that never stands in the way."""


class Simulation:
    """The real controller over a simulated host, with a tick every `interval_s`."""

    def __init__(  # noqa: PLR0913 - each is one thing that some story has otherwise
        self,
        host: SimulatedHost,
        policies: Sequence[Policy],
        *,
        folder: Path,
        interval_s: float = 1.0,
        limits: HostLimits = ROOMY,
        beside: Sequence[SimulatedHost] = (),
        keep_s: float = inf,
        tape_bytes: int = 0,
        read: bool = True,
    ) -> None:
        """Put it together.

        `beside`: further connections to the same machine; `keep_s` and `tape_bytes`: as the journal's;
        `read`: whether anybody reads snapshots.
        """
        self.host = host
        self.hosts = (host, *beside)
        self.clock = host.clock
        self.interval_s = interval_s
        self.snapshots: list[Snapshot] = []
        self.registry = CollectorRegistry()
        self.journal = SqliteJournal(folder / "journal.sqlite", keep_s=keep_s, history_s=keep_s)
        finalize(self, self.journal._db.close)
        config = Config(connections=(), host=limits, interval_s=interval_s)
        policy_set = PolicySet(policies=tuple(policies), digest="test")
        hosts = [host.as_host() for host in self.hosts]
        clock: Clock = self.clock
        submit: Submit = self._submit
        tape = Tape(self.journal, most_bytes=tape_bytes)
        if tape_bytes:
            tape.put("start", start_of(hosts, policy_set, config))
            clock, submit = TapedClock(clock, tape), TapedSubmit(submit, tape)
        self.recorder = Recorder(TapedJournal(self.journal, tape) if tape_bytes else self.journal)
        fleet = Fleet(hosts, policies=policy_set, limits=limits, recorder=self.recorder, clock=clock)
        self.controller = Controller(
            fleet,
            recorder=self.recorder,
            clock=clock,
            submit=submit,
            instruments=Instruments(self.registry),
            publish=self.snapshots.append if read else None,
            interval_s=interval_s,
        )
        self.face = TapedController(self.controller, tape) if tape_bytes else self.controller
        """What is called, so that the calls are on the tape where there is one."""
        self.hung: set[str] = set()
        """Names of guests whose agent never comes back with an answer."""
        self._number = itertools.count()
        self._pending: list[tuple[float, int, Callable[[], None]]] = []
        self._next_tick_s = self.clock.now_s
        self._next_flush_s = self.clock.now_s + FLUSH_EVERY_S

    @property
    def snapshot(self) -> Snapshot:
        return self.snapshots[-1]

    def domain(self, name: str) -> DomainSnapshot:
        return next(domain for domain in self.snapshot.domains if domain.view.name == name)

    def run(self, seconds: float) -> None:
        """Let this much time pass, everything that is due in it done at its time."""
        end_s = self.clock.now_s + seconds
        while True:
            wake_s = self.face.settle()
            due_s = min(
                self._next_tick_s,
                self._next_flush_s,
                wake_s if wake_s is not None else float("inf"),
                self._pending[0][0] if self._pending else float("inf"),
            )
            if due_s > end_s:
                break
            self.clock.now_s = max(self.clock.now_s, due_s)
            if self._pending and self._pending[0][0] <= self.clock.now_s:
                heapq.heappop(self._pending)[2]()
            elif self._next_tick_s <= self.clock.now_s:
                self._next_tick_s += self.interval_s
                self.face.tick()
            elif self._next_flush_s <= self.clock.now_s:
                self._next_flush_s += FLUSH_EVERY_S
                self.face.flush()
        self.clock.now_s = end_s

    def _submit(
        self,
        lane: Lane,
        work: Callable[[], T],
        then: Callable[[T | AutoscalerError], None],
        *,
        host: str = "",  # noqa: ARG002 - no pool is ever full
    ) -> None:
        guest = self._guest_of(work)
        takes_s = 0.001
        if guest is not None and lane is not Lane.SWEEP:
            takes_s = float("inf") if guest.name in self.hung else guest.agent_takes_s
        self._at(takes_s, lambda: then(outcome_of(work)))

    def _at(self, after_s: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._pending, (self.clock.now_s + after_s, next(self._number), call))

    def _guest_of(self, work: Callable[[], object]) -> SimulatedGuest | None:
        """The guest that a piece of work is about, by its arguments."""
        for argument in work.args if isinstance(work, partial) else ():
            domain = argument.id if isinstance(argument, DomainView) else argument
            for host in self.hosts:
                if isinstance(domain, DomainId) and domain in host.guests:
                    return host.guests[domain]
        return None
