"""One connection of the web server, that is not waited for without end.

Somebody who connects and asks for nothing, or for something a byte at a time, holds a descriptor that guests
and scrapes need. He may hold it for a while, for idle connections do no harm as long as they are few.

Invariants: a request is there as a whole, its body too, `ASK_WITHIN_S` after the connection was made or the
answer before was given, or the connection is closed. At most `MOST_CONNECTIONS` stay open: beyond that the
one that has waited longest without asking for anything is closed; where there is none, the newest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope

MOST_CONNECTIONS = 768
"""A process may have 1,024 descriptors unless somebody gave it more."""
ASK_WITHIN_S = 30.0
"""How long it may take to ask for something, from the first byte that is awaited to the last."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with an end to patience; `scope["cut"]` of a request ends its connection at once."""

    on_made: Callable[[], None] | None = None
    """Called when the connection is there, after any handshake."""
    _impatience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, and make room."""
        super().connection_made(transport)
        if self.on_made is not None:
            self.on_made()
        answer = self.app

        async def with_cut(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            cuttable: Any = scope
            cuttable["cut"] = transport.abort
            await answer(scope, receive, _closing(send) if _is_ambiguous(cuttable["headers"]) else send)

        self.app = with_cut
        self.since_s = self.loop.time()
        self._reckon()
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._reckon()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, and drop the answer that is being made to what came before it.

        uvicorn would have both sent, which h11 does not let it, and a traceback in the log for each.
        """
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:  # an answer is under way, or was given
            self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._reckon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._impatience is not None:
            self._impatience.cancel()
        super().connection_lost(exc)

    @property
    def waits(self) -> bool:
        """Whether it is for the other side to ask, or to end what it asks."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def _reckon(self) -> None:
        """Begin the time for a request where one is waited for, end it where none is."""
        if self._impatience is None and self.waits:
            self._impatience = self.loop.call_later(ASK_WITHIN_S, self.transport.abort)
        elif self._impatience is not None and not self.waits:
            self._impatience.cancel()
            self._impatience = None

    def _make_room(self) -> None:
        others = (other for other in self.connections if isinstance(other, PatientProtocol))
        # Not this one: else those who only hold their places would keep everybody else out.
        waiting = [other for other in others if other.waits and other is not self]
        # Those that have asked before are browsers and scrapers that will ask again.
        waiting.sort(key=lambda other: (other.cycle is not None, other.since_s))
        (waiting[0] if waiting else self).transport.abort()


def _is_ambiguous(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request states the length of its body in two ways.

    A proxy on the way may have ended it elsewhere than here, and what follows be somebody else's request to
    it: after the answer the connection is closed (RFC 9112, section 6.3).
    """
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in headers}


def _closing(send: ASGISendCallable) -> ASGISendCallable:
    """The same, but that an answer ends its connection."""

    async def send_and_close(message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return send_and_close
