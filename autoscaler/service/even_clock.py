"""How long the wall clock has gone on evenly: one that was just set may be set again.

A host may come up with a clock that is years off, until NTP sets it right. What is forgotten by the word of
such a clock is gone for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.ports import Clock

_STEP_S = 60.0
"""A wall clock that moved by more against the monotonic one, from look to look, was set or its host slept."""


class EvenClock:
    """Holds the wall clock against the monotonic one; to be looked at now and then."""

    def __init__(self, clock: Clock) -> None:
        """Begin to watch: nothing is known of what the clock did before."""
        self._clock = clock
        self._offset_s = self._seen_offset_s()
        self._since_s = clock.monotonic_s()

    def even_s(self) -> float:
        """Look; for how many seconds the wall clock was not seen to be set."""
        before_s, self._offset_s = self._offset_s, self._seen_offset_s()
        now_s = self._clock.monotonic_s()
        if abs(self._offset_s - before_s) > _STEP_S:
            self._since_s = now_s
        return now_s - self._since_s

    def _seen_offset_s(self) -> float:
        return self._clock.wall_s() - self._clock.monotonic_s()
