"""The system's clocks, behind the `Clock` port."""

from __future__ import annotations

import time


class SystemClock:
    """Time as the operating system tells it."""

    def monotonic_s(self) -> float:
        """Seconds since some moment; never runs backwards."""
        return time.monotonic()

    def wall_s(self) -> float:
        """Seconds since the epoch."""
        return time.time()
