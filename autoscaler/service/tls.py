"""One connection of the web server from its first byte on, with TLS where that is asked for.

The rules may change while the service runs, so each connection takes what is asked for when it is made.

Invariant: a handshake ends within `HANDSHAKE_WITHIN_S`, and at most `MOST_HANDSHAKES` are under way: beyond
that the oldest is cut. What a connection costs in memory is bounded, whether it says anything or not.
"""

from __future__ import annotations

from asyncio.sslproto import SSLProtocol
from typing import TYPE_CHECKING, Any, cast

from autoscaler.service.patient import PatientProtocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from autoscaler.service.web_rules import WebRules

HANDSHAKE_WITHIN_S = 10
MOST_HANDSHAKES = 128
_CLOSE_WITHIN_S = 5


class _Handshakes:
    """Those under way, oldest first."""

    def __init__(self) -> None:
        self._under_way: dict[SSLProtocol, asyncio.Transport] = {}

    def begin(self, protocol: SSLProtocol, transport: asyncio.Transport) -> None:
        self._under_way[protocol] = transport
        if len(self._under_way) > MOST_HANDSHAKES:
            oldest = next(iter(self._under_way))
            self._under_way.pop(oldest).abort()

    def end(self, protocol: SSLProtocol) -> None:
        self._under_way.pop(protocol, None)


class _TlsProtocol(SSLProtocol):
    """TLS below a protocol of requests, which takes part in `_Handshakes`."""

    # A quarter of a megabyte as it comes with Python, for each connection that only waits.
    max_size = 16 * 1024

    def __init__(self, loop: Any, app: PatientProtocol, context: Any, handshakes: _Handshakes) -> None:  # noqa: ANN401 - as the library has them
        super().__init__(
            loop,
            app,
            context,
            cast("Any", None),  # nobody waits for it
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_WITHIN_S,
            ssl_shutdown_timeout=_CLOSE_WITHIN_S,
        )
        self._handshakes = handshakes
        app.on_made = lambda: handshakes.end(self)

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as above
        """Begin the handshake."""
        self._handshakes.begin(self, transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        self._handshakes.end(self)
        super().connection_lost(exc)


def doorway(rules: WebRules) -> Callable[..., asyncio.BaseProtocol]:
    """What the server makes of each connection, in place of a class of protocols."""
    handshakes = _Handshakes()

    def made(**given: Any) -> asyncio.BaseProtocol:  # noqa: ANN401 - uvicorn's own arguments
        requests, context = PatientProtocol(**given), rules.config.tls
        if context is None:
            return requests
        return _TlsProtocol(requests.loop, requests, context, handshakes)

    return made
