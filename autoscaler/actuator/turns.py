"""How often, and how many at once, one domain may be the subject of requests.

Invariants: a domain is changed by one request at a time, and however its guest hangs it holds a few threads;
no minute has more of its changes, or readings, than the limit, whoever asks for them.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autoscaler.core.rate import ChangeRate
from autoscaler.errors import DomainBusy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from autoscaler.core.model import DomainId, DomainView
    from autoscaler.ports import Clock

MOST_AT_ONCE = 4
"""Readings of a domain that may be out at once, and changes."""
CHANGES_PER_MINUTE = 60
READINGS_PER_MINUTE = 1200
"""The shortest interval is 200 ms, and a change under way is looked at beside that."""
PATIENCE_S = 2.0
"""How long a change waits for the one before."""


class TooOften(DomainBusy):
    """The domain has had as many requests as a minute may have."""


class TooMany(DomainBusy):
    """As many requests for the domain are out as there may be."""


@dataclass(slots=True)
class _Queue:
    """Requests of one kind."""

    rate: ChangeRate
    out: int = 0


@dataclass(slots=True)
class _Seat:
    """One domain. Its readings, which a hung guest keeps, hold up no change, nor the other way round."""

    changing: threading.Lock = field(default_factory=threading.Lock)
    changes: _Queue = field(default_factory=lambda: _Queue(ChangeRate(CHANGES_PER_MINUTE)))
    readings: _Queue = field(default_factory=lambda: _Queue(ChangeRate(READINGS_PER_MINUTE)))


class Turns:
    """The turns of every domain; any thread may ask."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seats: dict[DomainId, _Seat] = {}
        self._seating = threading.Lock()

    @contextmanager
    def reading(self, view: DomainView) -> Iterator[None]:
        """A reading of a domain.

        Raises:
            TooOften, TooMany: nothing was asked.
        """
        with self._seat(view, changes=False):
            yield

    @contextmanager
    def change(self, view: DomainView) -> Iterator[None]:
        """A change of a domain.

        Raises:
            TooOften, TooMany, DomainBusy: nothing was asked.
        """
        with self._seat(view, changes=True) as seat:
            if not seat.changing.acquire(timeout=PATIENCE_S):
                raise DomainBusy(f"an earlier change of domain {view.name} ({view.id.uuid}) is still out")
            try:
                yield
            finally:
                seat.changing.release()

    def keep_only(self, present: Collection[DomainId], host: str) -> None:
        """Forget the domains of a host that are gone."""
        with self._seating:
            for domain in [it for it in self._seats if it.host == host and it not in present]:
                if not self._seats[domain].changes.out and not self._seats[domain].readings.out:
                    del self._seats[domain]

    @contextmanager
    def _seat(self, view: DomainView, *, changes: bool) -> Iterator[_Seat]:
        with self._seating:
            seat = self._seats.setdefault(view.id, _Seat())
            queue, now_s = seat.changes if changes else seat.readings, self._clock.monotonic_s()
            if not queue.rate.left(now_s):
                raise TooOften(
                    f"domain {view.name} ({view.id.uuid}) has had as many requests as a minute may have: "
                    "see what asks for them"
                )
            if queue.out >= MOST_AT_ONCE:
                raise TooMany(f"{queue.out} requests for domain {view.name} ({view.id.uuid}) are still out")
            queue.rate.used(now_s)
            queue.out += 1
        try:
            yield seat
        finally:
            with self._seating:
                queue.out -= 1
