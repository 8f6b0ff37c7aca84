"""When ticks happen: APScheduler's clockwork, and what it did not manage.

One tick at a time; a late one runs late rather than not at all; several missed ones run as one and are
counted. Setting the wall clock, by which APScheduler plans, neither holds a tick back nor makes one missed.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_SUBMITTED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from apscheduler.events import JobSubmissionEvent

    from autoscaler.ports import Clock
    from autoscaler.service.instruments import Instruments

_TICK = "tick"
_FLUSH_EVERY_S = 60
_LOOK_EVERY_S = 0.5
"""How often a tick that does not end looks whether the service does."""
_STEP_S = 0.05
"""A wall clock that moved by more against the monotonic one was set; what slews it moves it by less."""


class Schedule:
    """Calls `tick` every interval and `flush` every minute, each on a thread of its own."""

    def __init__(
        self,
        *,
        interval_s: float,
        tick: Callable[[threading.Event], None],
        flush: Callable[[], None],
        clock: Clock,
        instruments: Instruments,
    ) -> None:
        """`tick` gets an event to set when the tick is over: until then no other one starts."""
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # what it would warn of is counted here
        self._interval_s = interval_s
        self._tick = tick
        self._clock = clock
        self._instruments = instruments
        instruments.scheduled(interval_s)
        self._last_scheduled_s: float | None = None
        """When the last tick was planned, on the monotonic clock."""
        self._overruns = 0
        self._closed = threading.Event()
        self._scheduler = _SteadyScheduler(
            clock,
            longest_wait_s=interval_s,
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
            timezone="UTC",
        )
        self._scheduler.add_listener(self._submitted, EVENT_JOB_SUBMITTED)
        self._scheduler.add_listener(self._overrun, EVENT_JOB_MAX_INSTANCES)
        self._scheduler.add_job(self._run_tick, "interval", seconds=interval_s, id=_TICK)
        self._scheduler.add_job(flush, "interval", seconds=_FLUSH_EVERY_S, id="flush")

    def start(self) -> None:
        """Run the first tick now, the others at their interval."""
        self._scheduler.start()
        first = self._scheduler.get_job(_TICK)
        first.modify(next_run_time=first.trigger.start_date.now(first.trigger.timezone))

    def close(self) -> None:
        """No further calls; one that is out is not waited for."""
        self._closed.set()
        self._scheduler.shutdown(wait=False)

    def _run_tick(self) -> None:
        over = threading.Event()
        self._tick(over)
        while not over.wait(timeout=_LOOK_EVERY_S) and not self._closed.is_set():
            pass

    def _submitted(self, event: JobSubmissionEvent) -> None:
        if event.job_id != _TICK:
            return
        scheduled_s = event.scheduled_run_times[-1].timestamp() - self._scheduler.wall_offset_s
        self._instruments.tick_lateness.observe(max(0.0, self._clock.monotonic_s() - scheduled_s))
        if self._last_scheduled_s is not None:
            skipped = round((scheduled_s - self._last_scheduled_s) / self._interval_s) - 1
            for _ in range(skipped - self._overruns):
                self._instruments.tick_missed("late")
        self._last_scheduled_s, self._overruns = scheduled_s, 0

    def _overrun(self, event: JobSubmissionEvent) -> None:
        if event.job_id == _TICK:
            self._overruns += 1
            self._instruments.tick_missed("overrun")


class _SteadyScheduler(BackgroundScheduler):  # type: ignore[misc]  # APScheduler ships no types
    """APScheduler, with plans that move along where the wall clock is set.

    As it comes it keeps to the wall time that was planned: a clock set back by an hour holds every tick back
    for an hour, one set forward makes it count thousands that nobody missed.
    """

    def __init__(self, clock: Clock, *, longest_wait_s: float, **options: object) -> None:
        super().__init__(**options)
        self._clock = clock
        self._longest_wait_s = longest_wait_s
        self.wall_offset_s = self._seen_offset_s()
        """How far the wall clock is ahead of the monotonic one, as last looked."""

    def _process_jobs(self) -> float | None:
        """Run what is due; returns how long to wait, which is counted on the monotonic clock."""
        self._move_plans()
        wait_s: float | None = super()._process_jobs()
        # Bounded, for a clock that is set back in the middle of this makes the wait as long as that.
        return None if wait_s is None else min(wait_s, self._longest_wait_s)

    def _move_plans(self) -> None:
        before_s, self.wall_offset_s = self.wall_offset_s, self._seen_offset_s()
        step_s = self.wall_offset_s - before_s
        if abs(step_s) > _STEP_S:
            for job in self.get_jobs():
                job.modify(next_run_time=job.next_run_time + timedelta(seconds=step_s))

    def _seen_offset_s(self) -> float:
        return self._clock.wall_s() - self._clock.monotonic_s()
