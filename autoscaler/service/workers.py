"""A bounded pool of threads that die with the process.

The standard library's pool waits at exit for every call that is still out. A call into a hung daemon may
never come back, and a service that is told to stop has to end all the same: what it left out is looked at
anew by the next start.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Workers:
    """Runs calls on `count` threads, in the order in which they were submitted."""

    def __init__(self, name: str, count: int) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._count = count
        for number in range(count):
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    def submit(self, call: Callable[[], None]) -> None:
        """Run `call`, which must not raise, when a thread is free."""
        self._calls.put(call)

    def close(self) -> None:
        """Let each thread end once it is free; none is waited for."""
        for _ in range(self._count):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
