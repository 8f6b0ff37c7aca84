"""A bounded pool of threads that die with the process, and that hung calls do not use up.

The standard library's pool waits at exit for every call that is still out. A call into a hung daemon may
never come back, and a service that is told to stop has to end all the same: what it left out is looked at
anew by the next start.

Invariant: while calls wait for a thread, each one that is out for longer than `LATE_S` is stood in for by
another thread, up to `spare` of them; a thread ends after its call once there are more than are needed.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.ports import Clock

LATE_S = 0.1
"""A call that is out for longer counts as hung, as far as the others' waiting is concerned."""


class Workers:
    """Runs calls on `count` threads, in the order in which they were submitted."""

    def __init__(self, name: str, count: int, clock: Clock, *, spare: int = 0) -> None:
        """Start the threads; `spare` is how many more may stand in for those whose calls hang."""
        self._name = name
        self._count = count
        self._clock = clock
        self._spare = spare
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._out: dict[int, float] = {}
        """Number of a thread -> since when its call is out."""
        self._threads: set[int] = set()
        self._begun = 0
        self._changing = threading.Lock()
        for _ in range(count):
            self._start()

    def submit(self, call: Callable[[], None]) -> None:
        """Run `call`, which must not raise, when a thread is free."""
        self._calls.put(call)

    def stand_in(self) -> float | None:
        """Start threads for those whose calls hang, if anybody waits for one.

        Returns:
            In how many seconds to call again, where that may help then; None: nobody waits, or nothing will.
        """
        if self._calls.empty():
            return None
        with self._changing:
            now_s = self._clock.monotonic_s()
            late_in_s = [since_s + LATE_S - now_s for since_s in self._out.values()]
            hung = sum(left_s <= 0 for left_s in late_in_s)
            for _ in range(self._count + min(hung, self._spare) - len(self._threads)):
                self._start()
            if hung >= self._spare:
                return None
            return min((left_s for left_s in late_in_s if left_s > 0), default=None)

    def close(self) -> None:
        """Let each thread end once it is free; none is waited for."""
        with self._changing:
            for _ in self._threads:
                self._calls.put(None)

    def _start(self) -> None:
        number = self._begun = self._begun + 1
        self._threads.add(number)
        threading.Thread(
            target=self._work, args=(number,), name=f"{self._name}-{number}", daemon=True
        ).start()

    def _work(self, number: int) -> None:
        while (call := self._calls.get()) is not None:
            with self._changing:
                self._out[number] = self._clock.monotonic_s()
            call()
            with self._changing:
                del self._out[number]
                if len(self._threads) > self._count and self._calls.empty():
                    self._threads.discard(number)
                    return
