"""The links to all guests, looked at together. Everything here runs in the backend's event loop.

Invariant: a guest that hangs, refuses or vanished costs the others next to nothing. A sweep waits for it
once; while it stays slow, each later look gets a glance only and its answer is collected when it is there.
Guests are connected to a few at a time: were it a thousand at once, none would be through within its time.
Those that failed when they were last tried share places of their own, so that the others find theirs free.
"""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import TYPE_CHECKING

from autoscaler.backends.qmp.link import QmpLink
from autoscaler.backends.qmp.session import LinkDownError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from autoscaler.backends.qmp.guests import QmpGuest
    from autoscaler.core.model import DomainEvent, DomainId, DomainView
    from autoscaler.ports import Clock

_GLANCE_S = 0.05
"""How long a sweep waits for a guest whose last answer was late; a prompt one takes about 2 ms."""
_PLACES = 16
"""How many guests of a kind are connected to at the same time."""


class QmpLinks:
    """One link a guest, by name."""

    def __init__(
        self, *, host: str, clock: Clock, timeout_s: float, notify: Callable[[DomainEvent], None]
    ) -> None:
        """Start with no links; see `QmpLink` for the arguments."""
        self.by_domain: Mapping[DomainId, QmpLink] = MappingProxyType({})
        """Every domain ever seen of the guests there are now; replaced whole, so any thread may look."""
        self.troubles: Mapping[str, str] = MappingProxyType({})
        """Guest name -> why the last sweep did not see it; replaced whole."""
        self._host = host
        self._clock = clock
        self._timeout_s = timeout_s
        self._notify = notify
        self._links: dict[str, QmpLink] = {}
        self._places = {failed: asyncio.Semaphore(_PLACES) for failed in (False, True)}
        """By whether the guest failed when it was last looked at."""
        self._queue: set[QmpLink] = set()
        """Those that wait for a place."""

    async def sweep(self, guests: Sequence[QmpGuest], *, patience_s: float) -> list[DomainView]:
        """Look at these guests, and at no others any more; wait `patience_s` for those that were prompt."""
        await self._follow(guests)
        begun: list[tuple[QmpLink, asyncio.Task[DomainView]]] = []
        for link in self._links.values():
            if not link.prompt:
                _take_in(link)  # What came after the last sweep is taken now, and looked for anew.
            if link.reading is None:
                link.reading = asyncio.create_task(self._look(link))
                begun.append((link, link.reading))
        await _wait_for([task for _, task in begun], _GLANCE_S)
        await _wait_for([task for link, task in begun if link.prompt], patience_s - _GLANCE_S)
        for link, task in begun:
            link.prompt = task.done()
        return self._collect({link for link, _ in begun})

    async def close(self) -> None:
        """Hang up everywhere and wait until nothing of it runs any more."""
        await asyncio.gather(*(link.close() for link in self._links.values()))
        leftover = asyncio.all_tasks() - {asyncio.current_task()}
        for task in leftover:
            task.cancel()
        await asyncio.gather(*leftover, return_exceptions=True)

    async def _follow(self, guests: Sequence[QmpGuest]) -> None:
        wanted = {guest.name: guest for guest in guests}
        for name, link in list(self._links.items()):
            if name not in wanted or wanted[name].qmp != link.guest.qmp:
                del self._links[name]
                await link.close(gone=True)
        self._links = {name: self._links.get(name) or self._new_link(guest) for name, guest in wanted.items()}
        for name, link in self._links.items():
            link.guest = wanted[name]

    async def _look(self, link: QmpLink) -> DomainView:
        if not link.connects:
            return await link.view()
        self._queue.add(link)
        try:
            async with self._places[link.trouble is not None]:
                self._queue.discard(link)
                return await link.view()
        finally:
            self._queue.discard(link)

    def _new_link(self, guest: QmpGuest) -> QmpLink:
        return QmpLink(
            guest, host=self._host, clock=self._clock, timeout_s=self._timeout_s, notify=self._notify
        )

    def _collect(self, asked_now: AbstractSet[QmpLink]) -> list[DomainView]:
        views: list[DomainView] = []
        troubles: dict[str, str] = {}
        by_domain: dict[DomainId, QmpLink] = {}
        for name, link in self._links.items():
            _take_in(link)
            if link.trouble is not None:
                troubles[name] = link.trouble
            elif link in asked_now and link.last_view is not None:
                pass  # Of many guests most are still being asked when a sweep's patience ends.
            elif link.reading is not None and link not in self._queue:
                troubles[name] = (
                    f"QEMU of domain {name} has not answered yet at {link.guest.qmp}: if it stays so, see "
                    f"whether its process hangs"
                )
            if link.identity is None:
                continue
            owner = by_domain.setdefault(link.identity.domain, link)
            if owner is not link:
                troubles[name] = (
                    f"domains {owner.guest.name} and {name} state the same UUID {link.identity.domain.uuid}: "
                    f"start one of them with another -uuid"
                )
            elif link.last_view is not None:
                views.append(link.last_view)
        self.by_domain = MappingProxyType(by_domain)
        self.troubles = MappingProxyType(troubles)
        return views


def _take_in(link: QmpLink) -> None:
    """Note what was seen of a guest, where that is there.

    A hung QEMU is still there: what was seen of it last stands, with its age. So does what was wrong before,
    for that it is tried anew says less; and so does all that another sweep, beside this one, took in.
    """
    if link.reading is None or not link.reading.done():
        return
    reading, link.reading = link.reading, None
    try:
        link.last_view, link.trouble = reading.result(), None
    except LinkDownError as error:
        link.last_view, link.trouble = None, str(error)


async def _wait_for(tasks: Sequence[asyncio.Task[DomainView]], timeout_s: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=max(0.0, timeout_s))
