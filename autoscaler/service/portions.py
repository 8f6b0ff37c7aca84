"""An answer that goes out in portions: one body serves all who asked for it, however slowly they read.

Invariant: of what somebody does not read, no more than a portion is copied for him, and nobody is waited for
beyond `READ_WITHIN_S`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
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
