"""Workers: bounded, and never in the way of an end."""

from __future__ import annotations

import subprocess
import sys
import threading

from autoscaler.service.workers import Workers


def test_no_more_calls_run_at_once_than_there_are_threads() -> None:
    workers, let_go, begun = Workers("test", 2), threading.Event(), threading.Semaphore(0)

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


def test_a_call_that_never_returns_does_not_hold_up_the_end_of_the_process() -> None:
    program = (
        "import time\nfrom autoscaler.service.workers import Workers\n"
        "workers = Workers('test', 1)\nworkers.submit(lambda: time.sleep(600))\n"
        "time.sleep(0.2)\nworkers.close()\n"
    )
    assert subprocess.run((sys.executable, "-c", program), timeout=30, check=False).returncode == 0
