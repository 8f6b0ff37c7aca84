"""A connection that the actuator holds, and what it saw there itself: no request says a domain's name.

Invariants: what is known of a domain is never older than `OLDEST_S`, and mostly not than `FRESH_S`; a host
that hangs holds up so many requests and no more, so that those for another host find a place.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autoscaler.errors import BackendUnavailable, DomainGone

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from autoscaler.backends.reached import Reached
    from autoscaler.core.model import DomainId, DomainView
    from autoscaler.ports import Clock

FRESH_S = 10.0
OLDEST_S = 60.0
_AGAIN_S = 0.2
"""Least time between two sweeps for a domain that is not there."""
MOST_AT_ONCE = 224
"""Requests for one host that may be out; the service has 193 at most."""


class TooManyOfHost(BackendUnavailable):
    """As many requests for the host are out as there may be."""


class HeldHost:
    """One connection; any thread may use it."""

    def __init__(
        self, reached: Reached, clock: Clock, *, swept: Callable[[Collection[DomainId], str], None]
    ) -> None:
        """Take the connection; `swept` is told which domains of which host are there."""
        self.reached = reached
        self._clock = clock
        self._told = swept
        self._views: Mapping[DomainId, DomainView] = {}
        self._swept_s = float("-inf")
        self._sweeping = threading.Lock()
        self._places = threading.Semaphore(MOST_AT_ONCE)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A request for the host.

        Raises:
            TooManyOfHost: nothing was asked.
        """
        if not self._places.acquire(blocking=False):
            raise TooManyOfHost(
                f"{MOST_AT_ONCE} requests for {self.reached.hypervisor.label} are still out: does it answer?"
            )
        try:
            yield
        finally:
            self._places.release()

    def domains(self) -> Collection[DomainView]:
        """Every domain, as it is now.

        Raises:
            BackendUnavailable: the connection is down.
        """
        with self._sweeping:
            return self._sweep().values()

    def view(self, domain: DomainId) -> DomainView:
        """What was seen of a domain not long ago.

        Raises:
            DomainGone: it is not there.
            BackendUnavailable: the connection is down.
        """
        known, age_s = self._views.get(domain), self._clock.monotonic_s() - self._swept_s
        if known is not None and age_s < FRESH_S:
            return known
        # Whoever knows the domain does not wait for another's look, unless it is too long ago.
        if self._sweeping.acquire(blocking=known is None or age_s > OLDEST_S):
            try:
                self._look_for(domain)
            finally:
                self._sweeping.release()
        view = self._views.get(domain)
        if view is None:
            raise DomainGone(f"no guest of {self.reached.hypervisor.label} has the UUID {domain.uuid} now")
        return view

    def _look_for(self, domain: DomainId) -> None:
        """Sweep, unless another one did meanwhile."""
        enough_s = FRESH_S if domain in self._views else _AGAIN_S
        if self._clock.monotonic_s() - self._swept_s >= enough_s:
            self._sweep()

    def _sweep(self) -> Mapping[DomainId, DomainView]:
        begun_s = self._clock.monotonic_s()
        hypervisor = self.reached.hypervisor
        now = {view.id: view for view in hypervisor.domains()}
        before, self._views, self._swept_s = self._views, now, begun_s
        for gone in before.keys() - now.keys():
            self.reached.forget(gone)
        self._told(now.keys(), hypervisor.label)
        return now
