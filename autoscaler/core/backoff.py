"""How long to leave a thing alone that failed, or gave no answer: longer each time, up to a limit.

What failed is left alone with a jitter that is taken from the identity of who waits, not from chance: that
keeps decisions reproducible, and still spreads a thousand domains that failed at one moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from zlib import crc32

FIRST_S = 5.0
LONGEST_S = 300.0
_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class BackOff:
    """Failures in a row, and until when to wait."""

    failures: int = 0
    until_s: float = float("-inf")

    def failed(
        self, who: str, now_s: float, *, first_s: float = FIRST_S, longest_s: float = LONGEST_S
    ) -> BackOff:
        """One more failure: wait `first_s`, twice that ... up to `longest_s`, each within 20 % of that."""
        failures = self.failures + 1
        wait_s = min(first_s * 2 ** min(failures - 1, 16), longest_s)
        share = crc32(f"{who}/{failures}".encode()) / 0xFFFFFFFF
        return BackOff(failures, now_s + wait_s * (1 - _JITTER + 2 * _JITTER * share))

    def waiting(self, now_s: float) -> bool:
        """Whether it is still too early."""
        return now_s < self.until_s


@dataclass(slots=True)
class AskingAgain:
    """When to ask once more what is under way, after an answer that settled nothing, or none."""

    first_s: float
    """The first pause; each further one is twice as long."""
    longest_s: float
    not_before_s: float = float("-inf")
    """Until when to wait now."""
    _pause_s: float = field(init=False, default=0.0)

    def begin(self, now_s: float) -> None:
        """Ask at once, for something new."""
        self.not_before_s, self._pause_s = now_s, self.first_s

    def put_off(self, now_s: float) -> None:
        """Leave it alone for a pause."""
        self.not_before_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, self.longest_s)
