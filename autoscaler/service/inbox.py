"""The controller's thread: calls come in from workers, schedules and signals, and run there one at a time."""

from __future__ import annotations

from functools import partial
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeVar

from autoscaler.service.lanes import Lane, outcome_of
from autoscaler.service.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.errors import AutoscalerError
    from autoscaler.ports import Clock

T = TypeVar("T")

_OF_HOSTS = frozenset({Lane.SWEEP, Lane.PROBE, Lane.ACT})
_NO_SPARE: Mapping[Lane, int] = MappingProxyType({})


class Settling(Protocol):
    """What the thread serves: the controller."""

    def settle(self) -> float | None:
        """Do what is due, and say when to be called again at the latest (`Clock.monotonic_s`)."""
        ...


class Inbox:
    """Runs calls on the thread that is in `run`, and lends the worker pools."""

    def __init__(
        self,
        clock: Clock,
        workers: Mapping[Lane, int],
        *,
        spare: Mapping[Lane, int] = _NO_SPARE,
        hosts: Sequence[str] = ("",),
    ) -> None:
        """Start so many workers a lane, for each host and for the service itself.

        Args:
            clock: tells which calls hang.
            workers: the lanes with their workers.
            spare: how many more where calls hang, see `Workers`.
            hosts: the labels of the hosts that have pools of their own.
        """
        self._clock = clock
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._pools = {
            (lane, host): Workers(lane, count, clock, spare=spare.get(lane, 0))
            for lane, count in workers.items()
            for host in (hosts if lane in _OF_HOSTS else ("",))
        }
        self._open = True

    def post(self, call: Callable[[], None]) -> None:
        """Have `call` run on the controller's thread; safe from any thread and from signal handlers."""
        self._calls.put(call)

    def submit(
        self,
        lane: Lane,
        work: Callable[[], T],
        then: Callable[[T | AutoscalerError], None],
        *,
        host: str = "",
    ) -> None:
        """Run `work` on a worker; see `autoscaler.service.lanes.Submit`."""

        def run() -> None:
            result = outcome_of(work)
            self.post(partial(then, result))

        if self._open:
            self._pools[lane, host].submit(run)

    def run(self, controller: Settling) -> None:
        """Work until `stop`; the calling thread becomes the controller's.

        What a call raises ends the run and leaves by here: a service in a state that nobody foresaw is
        better started anew than going on.
        """
        wake_s: float | None = None
        while self._open:
            waits_s = [pool.stand_in() for pool in self._pools.values()]
            if wake_s is not None:
                waits_s.append(max(0.0, wake_s - self._clock.monotonic_s()))
            timeout_s = min((wait_s for wait_s in waits_s if wait_s is not None), default=None)
            try:
                call = self._calls.get(timeout=timeout_s)
            except Empty:
                pass
            else:
                call()
            wake_s = controller.settle()

    def stop(self) -> None:
        """Let `run` return; work that is out is neither waited for nor taken in any more."""

        def close() -> None:
            self._open = False

        self.post(close)

    def close(self) -> None:
        """End the pools; a worker that is still in a call is not waited for, then or later."""
        self._open = False
        for pool in self._pools.values():
            pool.close()
