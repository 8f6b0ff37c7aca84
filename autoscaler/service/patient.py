"""One connection of the web server, that is not waited for without end.

Somebody who connects and asks for nothing, or for something a byte at a time, holds a descriptor that guests
and scrapes need. He may hold it for a while, for idle connections do no harm as long as they are few.

Invariant: at most `MOST_CONNECTIONS` stay open. Beyond that the one that has waited longest without
asking for anything is closed; where there is none, the newest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

MOST_CONNECTIONS = 768
"""A process may have 1,024 descriptors unless somebody gave it more."""
ASK_WITHIN_S = 30.0
"""How long a new connection may take to ask for something."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with an end to patience; `scope["cut"]` of a request ends its connection at once."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the time in which something has to be asked for, and make room."""
        super().connection_made(transport)
        answer = self.app

        async def with_cut(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            cuttable: Any = scope
            cuttable["cut"] = transport.abort
            await answer(scope, receive, send)

        self.app = with_cut
        self.since_s = self.loop.time()
        self._impatience = self.loop.call_later(ASK_WITHIN_S, self._give_up)
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._impatience.cancel()
        super().connection_lost(exc)

    @property
    def idle(self) -> bool:
        """Whether nothing that was asked for is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _give_up(self) -> None:
        if self.cycle is None:
            self.transport.abort()

    def _make_room(self) -> None:
        others = (other for other in self.connections if isinstance(other, PatientProtocol))
        # Not this one: else those who only hold their places would keep everybody else out.
        waiting = [other for other in others if other.idle and other is not self]
        # Those that have asked before are browsers and scrapers that will ask again.
        waiting.sort(key=lambda other: (other.cycle is not None, other.since_s))
        (waiting[0] if waiting else self).transport.abort()
