"""The clockwork: the first tick at once, never two at a time, and what was missed is counted.

Each test waits for something to happen, as long as it takes; none measures how long it took.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

import apscheduler.schedulers.base
import pytest
from prometheus_client import CollectorRegistry

from autoscaler.ports import Clock
from autoscaler.service.clock import SystemClock
from autoscaler.service.instruments import Instruments
from autoscaler.service.schedule import Schedule

PATIENCE_S = 20.0
INTERVAL_S = 0.05


class Ticks:
    """Takes ticks and ends them at once, unless it is told to hold them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.count = 0
        self.holding = False
        self.held: list[threading.Event] = []
        self.changed = threading.Condition()

    def tick(self, over: threading.Event) -> None:
        with self.changed:
            self.count += 1
            if self.holding:
                self.held.append(over)
            else:
                over.set()
            self.changed.notify_all()

    def wait(self, until: Callable[[], bool]) -> bool:
        with self.changed:
            return self.changed.wait_for(until, timeout=PATIENCE_S)

    def missed(self, cause: str) -> float:
        found = self.registry.get_sample_value("vcpu_autoscaler_ticks_missed_total", {"cause": cause})
        assert found is not None
        return found


@contextmanager
def scheduled(ticks: Ticks, interval_s: float = INTERVAL_S, clock: Clock | None = None) -> Iterator[Schedule]:
    schedule = Schedule(
        interval_s=interval_s,
        tick=ticks.tick,
        flush=lambda: None,
        clock=clock or SystemClock(),
        instruments=Instruments(ticks.registry),
    )
    schedule.start()
    try:
        yield schedule
    finally:
        schedule.close()


class SetClock(SystemClock):
    """The machine's clocks, of which somebody may set the one on the wall."""

    step_s = 0.0

    def wall_s(self) -> float:
        return super().wall_s() + self.step_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """A clock that APScheduler goes by, too."""
    clock = SetClock()

    class Dated(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz or UTC) + timedelta(seconds=clock.step_s)

    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Dated)
    return clock


def test_the_first_tick_does_not_wait_for_its_interval() -> None:
    ticks = Ticks()
    with scheduled(ticks, interval_s=3600.0):
        assert ticks.wait(lambda: ticks.count == 1)


def test_ticks_go_on_at_their_interval() -> None:
    ticks = Ticks()
    with scheduled(ticks):
        assert ticks.wait(lambda: ticks.count >= 5)
    assert ticks.registry.get_sample_value("vcpu_autoscaler_tick_lateness_seconds_count") is not None


def test_a_tick_that_is_not_over_holds_the_next_back_and_that_is_counted() -> None:
    ticks = Ticks()
    ticks.holding = True
    with scheduled(ticks):
        assert ticks.wait(lambda: ticks.count == 1)
        overrun = threading.Event()
        for _ in range(int(PATIENCE_S / INTERVAL_S)):
            if ticks.missed("overrun") >= 3:
                break
            overrun.wait(INTERVAL_S)
        assert ticks.missed("overrun") >= 3
        assert ticks.count == 1
        ticks.holding = False
        ticks.held[0].set()
        assert ticks.wait(lambda: ticks.count >= 3)


def test_nothing_is_called_after_the_close() -> None:
    ticks = Ticks()
    with scheduled(ticks):
        assert ticks.wait(lambda: ticks.count >= 2)
    count = ticks.count
    threading.Event().wait(3 * INTERVAL_S)
    assert ticks.count <= count + 1


def test_a_close_during_a_tick_lets_its_thread_end() -> None:
    before = threading.active_count()
    ticks = Ticks()
    ticks.holding = True
    with scheduled(ticks):
        assert ticks.wait(lambda: ticks.count == 1)
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / INTERVAL_S)):
        if threading.active_count() <= before:
            break
        pause.wait(INTERVAL_S)
    assert threading.active_count() <= before


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0], ids=["back", "forward"])
def test_a_wall_clock_that_is_set_by_an_hour_stops_no_tick_and_makes_none_missed(
    clock: SetClock, step_s: float
) -> None:
    ticks = Ticks()
    with scheduled(ticks, interval_s=0.2, clock=clock):
        assert ticks.wait(lambda: ticks.count >= 3)
        clock.step_s = step_s
        seen = ticks.count
        assert ticks.wait(lambda: ticks.count >= seen + 5)
    assert ticks.missed("late") < 20
    late_s = ticks.registry.get_sample_value("vcpu_autoscaler_tick_lateness_seconds_sum")
    assert late_s is not None
    assert late_s < 60
