"""The web server: its address, its thread, and how long it bears with those who connect.

Invariant: whatever connects, and reads or sends however slowly, costs bounded memory and a bounded number
of descriptors, and delays nobody else.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from typing import TYPE_CHECKING, cast

import uvicorn

from autoscaler.errors import AutoscalerError
from autoscaler.service.gate import Gate
from autoscaler.service.page.pages import StatusPage
from autoscaler.service.settings import Listen
from autoscaler.service.tls import doorway
from autoscaler.service.turns import Turns
from autoscaler.service.web import application
from autoscaler.service.web_rules import WebRules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from autoscaler.service.web import Sources

_UNREAD_MS = 20_000
_BACKLOG = 512
_MOST_LOOKUPS = 32
"""That read the journal, and wait for one another."""


class AddressTaken(AutoscalerError):
    """The web address cannot be listened on."""


class WebServer:
    """Serves the application on its own thread."""

    def __init__(
        self,
        sources: Sources,
        *,
        host: str,
        port: int,
        config_file: Path | None = None,
        hosts: Sequence[str] = (),
    ) -> None:
        """Listen; nobody is answered yet.

        Args:
            sources: what the pages are made from.
            host: name or address to listen on.
            port: the port there; 0: any that is free.
            config_file: who may ask, and how; see `web_config`.
            hosts: names that a request may be addressed to. Where other hosts can connect, and none are
                named, it may be any.

        Raises:
            AutoscalerError: the file has errors, or the address cannot be listened on.
        """
        exposed = not Listen(host, port).is_loopback
        self._rules = WebRules(config_file, exposed=exposed)
        self._socket = _listen(host, port)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self.url = f"http{'' if self._rules.config.tls is None else 's'}://{Listen(*self.address)}"
        """Where it answers."""
        lookups = Turns(_MOST_LOOKUPS)
        self.page = StatusPage(sources.newest, sources.journal, lookups, interval_s=sources.interval_s)
        pages = application(sources, self.page, lookups)
        config = uvicorn.Config(
            Gate(pages, self._rules, hosts if hosts or not exposed else None),
            http=cast("type[asyncio.Protocol]", doorway(self._rules)),
            ws="none",
            log_config=None,
            log_level=logging.ERROR,  # its warnings are faults of clients, as many as these like
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="web", daemon=True)

    @property
    def troubles(self) -> Mapping[str, str]:
        """What is wrong with the file that says who may ask."""
        return self._rules.troubles

    async def _serve(self) -> None:
        following = [asyncio.create_task(it.follow()) for it in (self.page, self._rules)]
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            for it in following:
                it.cancel()

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the address."""
        self.page.close()
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self._socket.close()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, made before anything else starts so that a taken port is said at once.

    Raises:
        AddressTaken: with what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # What nobody reads for so long is cut, or it would be kept for as long as the other side likes.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MS)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            advice = f"see what uses it with `ss -ltnp 'sport = :{port}'`, or give web.listen another port"
        else:
            advice = "give web.listen an address of this host and a port that the service's user may take"
        raise AddressTaken(f"cannot listen on {Listen(host, port)} ({error.strerror}): {advice}") from error
    return listener
