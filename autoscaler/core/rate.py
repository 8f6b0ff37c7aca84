"""How many operations a host has had in the last minute, and so how many more may begin.

Invariant: no 60 seconds, wherever they begin, hold more operations than the limit, as far as those who begin
them keep to `left`.
"""

from __future__ import annotations

from collections import deque

_SPAN_S = 60.0


class ChangeRate:
    """Operations begun, kept for a minute."""

    def __init__(self, limit_per_minute: int) -> None:
        """Allow so many operations in any minute."""
        self._limit = limit_per_minute
        self._begun: deque[tuple[float, int]] = deque()
        self._count = 0

    def left(self, now_s: float) -> int:
        """How many operations may begin now."""
        while self._begun and now_s - self._begun[0][0] >= _SPAN_S:
            self._count -= self._begun.popleft()[1]
        return max(0, self._limit - self._count)

    def used(self, count: int, now_s: float) -> None:
        """Note that so many operations begin now."""
        if count > 0:
            self._begun.append((now_s, count))
            self._count += count
