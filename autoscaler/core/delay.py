"""How long growth takes on a host, from the decision to vCPUs that the guest runs, as seen so far."""

from __future__ import annotations

from collections import deque
from statistics import median

REMEMBERED = 51
"""Enough for a steady median, few enough to follow a host that changes."""


class OnlineDelay:
    """The last growths of one host."""

    def __init__(self) -> None:
        self._seen_s: deque[float] = deque(maxlen=REMEMBERED)

    def note(self, seconds: float) -> None:
        """One growth took so long."""
        self._seen_s.append(seconds)

    @property
    def typical_s(self) -> float:
        """The median; 0 where no growth was seen yet."""
        return median(self._seen_s) if self._seen_s else 0.0
