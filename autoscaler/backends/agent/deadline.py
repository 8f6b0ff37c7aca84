"""The moment by which a whole call must be over, however many waits it is made of.

Invariant: a deadline is never extended. A guest that sends one byte a second uses up the same seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock."""

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """The moment that comes in `seconds`."""
        return cls(time.monotonic() + seconds)

    def left_s(self) -> float:
        """Seconds until then, never negative."""
        return max(0.0, self.at_s - time.monotonic())
