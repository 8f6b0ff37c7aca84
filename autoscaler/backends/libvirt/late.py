"""Waits for a libvirt call no longer than it is worth: libvirt itself bounds none.

The bulk statistics ask each QEMU's monitor in turn, so one QEMU that does not answer (stopped, or stuck in
a write to lost storage) holds that call until it does. The stuck call keeps the domain's job, though, and a
call that was told not to wait for jobs passes such a domain by: asking once more succeeds.

Invariant: no more than a fixed number of calls are out, so that threads and the daemon's workers stay
bounded.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class LateCalls:
    """Runs calls on threads of their own, and leaves those behind that are late."""

    def __init__(self, places: int) -> None:
        """Allow so many calls to be out at once, late ones included."""
        self._places = threading.BoundedSemaphore(places)
        self._counting = threading.Lock()
        self._out = 0

    @property
    def out(self) -> int:
        """How many calls are out now."""
        return self._out

    def run(self, call: Callable[[], _T], *, patience_s: float) -> _T:
        """Return or raise what `call` does.

        Raises:
            TimeoutError: it takes longer than `patience_s`, or all places are taken by late ones.
        """
        if not self._places.acquire(blocking=False):
            raise TimeoutError
        outcome: Future[_T] = Future()
        self._count(1)

        def work() -> None:
            try:
                outcome.set_result(call())
            except Exception as error:  # noqa: BLE001 - raised again where the outcome is awaited
                outcome.set_exception(error)
            finally:
                self._count(-1)
                self._places.release()

        threading.Thread(target=work, name="libvirt-call", daemon=True).start()
        return outcome.result(patience_s)

    def _count(self, change: int) -> None:
        with self._counting:
            self._out += change
