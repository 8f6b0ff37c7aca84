"""When to leave an agent alone that fails again and again, and when to try it once more.

A call to an agent that does not answer costs a worker, and with libvirt a place in its daemon, for as long
as the call may take. So after `TRIP_AFTER` failures in a row the agent is not asked for a while, then once;
the while grows with each such try that fails too, up to `LONGEST_REST_S`.

Invariant: an answer closes the breaker, whatever it says; a failure of a call that began before the agent
opened its channel anew is not held against the agent that did.
"""

from __future__ import annotations

import threading

from autoscaler.core.backoff import BackOff

TRIP_AFTER = 3
LONGEST_REST_S = 60.0


class Breaker:
    """Closed, open for a while, or half open: one try is due. Any thread may call."""

    def __init__(self, who: str) -> None:
        """Closed; the jitter of its rests comes from `who` it is for."""
        self._who = who
        self._failures = 0
        self._rest = BackOff()
        self._meetings = 0
        self._changing = threading.Lock()

    @property
    def tripped(self) -> bool:
        """Whether the agent failed too often in a row and has not answered since."""
        return self._rest.failures > 0

    @property
    def meetings(self) -> int:
        """How many times the agent was seen to open its channel; to be handed to `failed`."""
        return self._meetings

    def rests(self, now_s: float) -> bool:
        """Whether the agent is to be left alone now."""
        return self._rest.waiting(now_s)

    def answered(self) -> None:
        """The agent answered, or is known to be gone: it is asked as ever."""
        with self._changing:
            self._failures, self._rest = 0, BackOff()

    def failed(self, now_s: float, *, meetings: int) -> None:
        """A call that began after so many `meetings` got no answer, or one that makes no sense."""
        with self._changing:
            if meetings != self._meetings:
                return
            self._failures += 1
            if self._failures >= TRIP_AFTER:
                self._rest = self._rest.failed(self._who, now_s, longest_s=LONGEST_REST_S)

    def met(self) -> None:
        """The agent opened its channel anew: it may be tried at once."""
        with self._changing:
            self._meetings += 1
            self._rest = BackOff(self._rest.failures)
