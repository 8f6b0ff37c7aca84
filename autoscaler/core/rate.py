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
        self._begun_s: deque[float] = deque()

    def left(self, now_s: float) -> int:
        """How many operations may begin now."""
        while self._begun_s and now_s - self._begun_s[0] >= _SPAN_S:
            self._begun_s.popleft()
        return max(0, self._limit - len(self._begun_s))

    def used(self, now_s: float) -> None:
        """Note that an operation begins now."""
        self._begun_s.append(now_s)
