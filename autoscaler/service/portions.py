"""An answer that goes out in portions: one body serves all who asked for it, however slowly they read.

It is there before it is sent, or made meanwhile.

Invariant: of what somebody does not read, no more than a portion is copied for him, and nobody is waited for
beyond `READ_WITHIN_S`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from starlette.types import Receive, Scope, Send

READ_WITHIN_S = 60.0
_PORTION = 64 * 1024


class PortionedResponse(Response):
    """Sent as it is read; ends the connection of whom takes too long."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                await self._send(send)
        except TimeoutError:
            scope["cut"]()
            while (await receive())["type"] != "http.disconnect":
                pass

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = bytes(self.body)
        for start in range(0, max(len(body), 1), _PORTION):
            end = start + _PORTION
            portion = body[start:end]
            await send({"type": "http.response.body", "body": portion, "more_body": end < len(body)})


class Portions:
    """A text that is made while it is sent: each portion once, for all who ask for it, on one thread."""

    def __init__(self, pieces: Iterable[str]) -> None:
        """`pieces` are the text; each is asked for when somebody wants the portion that it is in."""
        self._made: list[bytes] = []
        self._rest = _joined(pieces)
        self._fault: Exception | None = None
        """What ended it before its end, for everybody who asks: nobody is to take it for whole."""

    def __iter__(self) -> Iterator[bytes]:
        """Every portion, those first that are made."""
        place = 0
        while place < len(self._made) or self._make():
            yield self._made[place]
            place += 1

    def _make(self) -> bool:
        """Make one more; returns whether there was one."""
        if self._fault is not None:
            raise self._fault
        try:
            portion = next(self._rest, None)
        except Exception as fault:
            self._fault = fault
            raise
        if portion is None:
            return False
        self._made.append(portion)
        return True


class GrowingResponse(PortionedResponse):
    """An answer that goes out while it is made: a browser begins with what there is of it."""

    def __init__(self, portions: Portions, *, headers: Mapping[str, str], media_type: str) -> None:
        """Nothing is made before it is sent."""
        self.status_code, self.media_type, self.background = 200, media_type, None
        self._portions = portions
        self.init_headers(headers)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for portion in self._portions:
            await send({"type": "http.response.body", "body": portion, "more_body": True})
            # Others have their turn, and what the first portion has the browser ask for.
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _joined(pieces: Iterable[str]) -> Iterator[bytes]:
    """The pieces, put together to portions; the last is what is left."""
    waiting: list[str] = []
    length = 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= _PORTION:
            yield "".join(waiting).encode()
            waiting, length = [], 0
    yield "".join(waiting).encode()
