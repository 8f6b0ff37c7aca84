"""Workers: bounded, and never in the way of an end."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from autoscaler.service.clock import SystemClock
from autoscaler.service.workers import LATE_S, Workers

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_no_more_calls_run_at_once_than_there_are_threads() -> None:
    workers, let_go, begun = Workers("test", 2, SystemClock()), threading.Event(), threading.Semaphore(0)

    def call() -> None:
        begun.release()
        let_go.wait(10)

    for _ in range(3):
        workers.submit(call)
    assert begun.acquire(timeout=5)
    assert begun.acquire(timeout=5)
    assert not begun.acquire(timeout=0.2)
    let_go.set()
    assert begun.acquire(timeout=5)
    workers.close()


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def hang(workers: Workers, let_go: threading.Event, calls: int) -> None:
    """Have so many calls hang for longer than is thought usual."""
    begun = threading.Semaphore(0)

    def call() -> None:
        begun.release()
        let_go.wait(10)

    for _ in range(calls):
        workers.submit(call)
        workers.stand_in()
    assert all(begun.acquire(timeout=5) for _ in range(min(calls, workers._count)))
    time.sleep(1.2 * LATE_S)


def ran(workers: Workers) -> bool:
    """Whether a call that is submitted now is run, as the controller's thread would see to it."""
    done = threading.Event()
    workers.submit(done.set)
    workers.stand_in()
    return done.wait(0.3)


def test_hung_calls_are_stood_in_for_once_somebody_waits(let_go: threading.Event) -> None:
    workers = Workers("test", 2, SystemClock(), spare=2)
    hang(workers, let_go, 2)
    assert len(workers._threads) == 2
    assert ran(workers)
    workers.close()


def test_no_more_threads_stand_in_than_are_spare(let_go: threading.Event) -> None:
    workers = Workers("test", 1, SystemClock(), spare=3)
    for _ in range(4):
        hang(workers, let_go, 1)
    assert not any(ran(workers) for _ in range(3))
    assert len(workers._threads) == 4
    workers.close()


def test_nobody_stands_in_where_none_is_spare(let_go: threading.Event) -> None:
    workers = Workers("test", 1, SystemClock())
    hang(workers, let_go, 1)
    assert not ran(workers)
    workers.close()


def test_a_busy_pool_tells_when_to_look_again_and_an_idle_one_that_there_is_no_need(
    let_go: threading.Event,
) -> None:
    workers = Workers("test", 1, SystemClock(), spare=1)
    assert workers.stand_in() is None
    workers.submit(let_go.wait)  # type: ignore[arg-type]
    workers.submit(lambda: None)
    time.sleep(0.05)
    wait_s = workers.stand_in()
    assert wait_s is not None
    assert 0 < wait_s <= LATE_S
    workers.close()


def test_the_threads_go_back_to_their_number_when_the_hung_calls_return(let_go: threading.Event) -> None:
    workers = Workers("test", 2, SystemClock(), spare=8)
    for _ in range(4):
        hang(workers, let_go, 1)
    let_go.set()
    for _ in range(100):
        assert ran(workers)
        if len(workers._threads) == 2:
            break
    assert len(workers._threads) == 2
    assert all(ran(workers) for _ in range(20))
    workers.close()


def test_a_call_that_never_returns_does_not_hold_up_the_end_of_the_process() -> None:
    program = (
        "import time\nfrom autoscaler.service.clock import SystemClock\n"
        "from autoscaler.service.workers import Workers\n"
        "workers = Workers('test', 1, SystemClock())\nworkers.submit(lambda: time.sleep(600))\n"
        "time.sleep(0.2)\nworkers.close()\n"
    )
    assert subprocess.run((sys.executable, "-c", program), timeout=30, check=False).returncode == 0
