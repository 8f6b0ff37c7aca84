"""Runs an exercise so that Ctrl-C ends it well: what was added is taken back first.

The exercise has a thread of its own, for signals come to the main one, which has to hear a second of them
though libvirt or QEMU does not answer. Invariant: nothing is left behind without a word on how to undo it.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from autoscaler.doctor.exercise import Stop
from autoscaler.policyfile.problem import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_T = TypeVar("_T")
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interruptible(work: Callable[[Stop], _T]) -> tuple[_T, int]:
    """What `work` returns, and the exit code that says which signal asked for its end; 0: none did."""
    stop, found, failures = Stop(), list[_T](), list[BaseException]()
    signals: list[int] = []

    def run() -> None:
        try:
            found.append(work(stop))
        except BaseException as failure:  # noqa: BLE001 - raised again by who waits
            failures.append(failure)

    worker = threading.Thread(target=run, name="exercise", daemon=True)
    with _heard(lambda signum: _end(signum, signals, stop)):
        worker.start()
        worker.join()
    if failures:
        raise failures[0]
    return found[0], 128 + signals[0] if signals else 0


def _end(signum: int, signals: list[int], stop: Stop) -> None:
    signals.append(signum)
    if len(signals) == 1:
        stop.asked = True
        _say("stopped: what was added is taken back first; once more ends at once")
        return
    _say(f"ended at once: {stop.left_behind or 'nothing is left behind'}")
    os._exit(128 + signum)


def _say(text: str) -> None:
    # Not by echo: a signal may come while it holds its own lock.
    os.write(2, f"autoscaler doctor: {printable(text)}\n".encode())


@contextmanager
def _heard(act: Callable[[int], None]) -> Iterator[None]:
    def handler(signum: int, _frame: FrameType | None) -> None:
        act(signum)

    before = {signum: signal.signal(signum, handler) for signum in _ENDS}
    try:
        yield
    finally:
        for signum, was in before.items():
            signal.signal(signum, was)
