"""The status page's addresses: pages, the files beside them, and what tells browsers of changes.

Invariant: all of this runs on the web server's own thread, which looks at the newest snapshot once a second.
It hands nothing to the controller and is waited for by nobody, so no browser can delay a tick.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from autoscaler.errors import JournalUnavailable
from autoscaler.service.label_route import LABEL
from autoscaler.service.lookup import meant, why_unknown
from autoscaler.service.page.board import Board, keys_of
from autoscaler.service.page.domain_page import DomainPage
from autoscaler.service.page.live import Listeners
from autoscaler.service.page.recent import STEPS, recorded
from autoscaler.service.page.templating import STATIC, render, static
from autoscaler.service.page.timeline import SPANS_S, blocks_within
from autoscaler.service.portions import GrowingResponse, PortionedResponse
from autoscaler.service.turns import Crowded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from starlette.requests import Request

    from autoscaler.service.page.live import Listener
    from autoscaler.service.page.recent import Past
    from autoscaler.service.snapshot import DomainSnapshot, Snapshot
    from autoscaler.service.turns import Turns

_log = logging.getLogger("autoscaler")

_LOOK_EVERY_S = 1.0
_OVERVIEW = ""
_STALE = b"event: stale\ndata:\n\n"
"""Tells a browser to fetch the page anew."""
_AGAIN_MS = 3000
_VERSION = re.compile("[0-9]{1,18}")
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer here: nothing from elsewhere is loaded, and nothing that a name holds is run."""
_DEFAULT_SPAN = "1h"


class StatusPage:
    """Everything under `/` that is for people."""

    def __init__(
        self, newest: Callable[[], Snapshot], journal: Path, lookups: Turns, *, interval_s: float
    ) -> None:
        """Nothing is looked at yet.

        Args:
            newest: gives the newest snapshot.
            journal: the journal's file.
            lookups: what reads the journal takes its turn there.
            interval_s: between two samples of a guest.
        """
        self._newest = newest
        self._journal = journal
        self._lookups = lookups
        self._every_s = interval_s
        self._seen = newest()
        self._board = Board(self._seen, interval_s=interval_s)
        self.listeners = Listeners()
        self._told: dict[str, Mapping[str, str]] = {}
        """By topic: the parts of a domain's page as its listeners have them."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self.routes = [
            Route("/", self._overview),
            Route("/live", self._live),
            Route(f"/domains/{LABEL}/live", self._domain_live),
            Route(f"/domains/{LABEL}", self._domain),
            Route("/static/{name}", self._static),
        ]

    def see(self, snapshot: Snapshot) -> None:
        """Take in a snapshot on the calling thread; only before `follow` runs."""
        self._seen = snapshot
        self._board.put(snapshot)

    async def follow(self) -> None:
        """Look at the newest snapshot from time to time and tell those who listen; never returns."""
        self._loop = asyncio.get_running_loop()
        await self._remember()
        # Apart: domains are told in turn with all who read the journal, however long that takes.
        await asyncio.gather(self._follow(self._tell_overview), self._follow(self._tell_of_domains))

    async def _remember(self) -> None:
        """Begin the small pictures with what the journal has."""
        step_s, now_s = self._board.recent.step_s, self._newest().wall_s

        def read() -> Past:
            return recorded(blocks_within(self._journal, now_s - STEPS * step_s, now_s), step_s)

        # There may be no journal yet, and nobody is kept waiting for it.
        with suppress(JournalUnavailable, Crowded):
            self._board.remember(await self._lookups.made("history", read))

    async def _follow(self, tell: Callable[[], Awaitable[None]]) -> None:
        told = self._seen
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if (newest := self._newest()) is told:
                continue
            told = newest
            try:
                await tell()
            except Exception:  # noqa: BLE001 - the page of the next snapshot may well go
                _log.exception("the status page could not be made, please report it")

    def close(self) -> None:
        """Let every listener go; any thread may call."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.listeners.close)

    async def _tell_overview(self) -> None:
        self._take_up()
        if _OVERVIEW in self.listeners.topics and (event := self._board.changes()) is not None:
            self.listeners.tell(_OVERVIEW, event)

    async def _tell_of_domains(self) -> None:
        for topic in self.listeners.topics:
            if topic != _OVERVIEW:
                # Where too many wait, those who listen are told at the next look.
                with suppress(Crowded):
                    await self._tell_of_domain(topic)

    def _take_up(self) -> None:
        if self._newest() is not self._seen:
            self._seen = self._newest()
            self._board.put(self._seen)

    async def _tell_of_domain(self, topic: str) -> None:
        key, _, span = topic.rpartition("/")
        domain = keys_of(self._seen).get(key)
        if domain is None:
            self.listeners.tell(topic, _STALE)
            return
        parts = await self._lookups.made(
            ("parts", topic, self._seen.tick), self._page_of(key, domain, span).parts
        )
        before = self._told.get(topic, {})
        self._told = {known: told for known, told in self._told.items() if known in self.listeners.topics}
        self._told[topic] = parts
        changed = {name: html for name, html in parts.items() if before.get(name) != html}
        if changed:
            self.listeners.tell(topic, _event("parts", changed))

    def _page_of(self, key: str, domain: DomainSnapshot, span: str) -> DomainPage:
        course = self._board.recent.course(domain.view.id)
        return DomainPage(
            self._seen,
            domain,
            key,
            span=span,
            journal=self._journal,
            recent=course,
            recent_step_s=self._board.recent.step_s,
        )

    async def _overview(self, _: Request) -> Response:
        self._take_up_quietly()
        # What is new on this page is new to those who listen as well.
        if (event := self._board.changes()) is not None:
            self.listeners.tell(_OVERVIEW, event)
        return GrowingResponse(self._board.page(), headers=HEADERS, media_type="text/html")

    def _take_up_quietly(self) -> None:
        """Take the newest snapshot up at once, where nobody listens who would have to be told."""
        if _OVERVIEW not in self.listeners.topics:
            self._take_up()

    async def _domain(self, request: Request) -> Response:
        wanted, span = request.path_params["domain"], _span(request)
        key, domain = self._found(wanted)
        if domain is None or span is None:
            status = HTTPStatus.NOT_FOUND if domain is None else HTTPStatus.BAD_REQUEST
            sentence = why_unknown(self._newest(), wanted) if domain is None else _spans()
            page = render("problem.html", title=status.phrase, sentence=sentence, every_s=self._every_s)
            return Response(page, status, HEADERS, "text/html")
        page = await self._lookups.made(
            ("page", key, span, self._seen.tick),
            partial(self._page_of(key, domain, span).whole, self._every_s),
        )
        return PortionedResponse(page.encode(errors="replace"), headers=HEADERS, media_type="text/html")

    def _found(self, wanted: str) -> tuple[str, DomainSnapshot | None]:
        self._take_up_quietly()
        keys = keys_of(self._seen)
        domain = keys.get(wanted) or meant(self._seen, wanted)
        key = next((key for key, known in keys.items() if known is domain), "")
        return key, domain

    async def _live(self, request: Request) -> Response:
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        missed = self._board.since(int(after)) if _VERSION.fullmatch(after) else None
        return self._listen(request, _OVERVIEW, [_STALE] if missed is None else missed)

    async def _domain_live(self, request: Request) -> Response:
        key, domain = self._found(request.path_params["domain"])
        span = _span(request)
        if domain is None or span is None:
            return Response("there is no such domain or time\n", 404, HEADERS, "text/plain")
        # Whoever joins others is told everything once, and so are they.
        self._told.pop(f"{key}/{span}", None)
        return self._listen(request, f"{key}/{span}", [])

    def _listen(self, request: Request, topic: str, first: Iterable[bytes]) -> Response:
        listener = self.listeners.join(topic, request.scope.get("cut", lambda: None))
        if listener is None:
            return Response("enough browsers listen already, reload later\n", 503, HEADERS, "text/plain")
        return StreamingResponse(
            self._stream(topic, listener, list(first)), headers=HEADERS, media_type="text/event-stream"
        )

    async def _stream(self, topic: str, listener: Listener, first: list[bytes]) -> AsyncIterator[bytes]:
        try:
            yield b"retry: %d\n\n" % _AGAIN_MS
            for event in first:
                yield event
            async for event in listener.events():
                yield event
        finally:
            self.listeners.leave(topic, listener)

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in STATIC:
            return Response("there is no such file\n", 404, HEADERS, "text/plain")
        kept = HEADERS | {"cache-control": "max-age=86400"}
        return Response(static(name), headers=kept | {"content-type": STATIC[name]})


def _span(request: Request) -> str | None:
    span = request.query_params.get("span", _DEFAULT_SPAN)
    return span if span in SPANS_S else None


def _spans() -> str:
    return f"'span' is one of {', '.join(SPANS_S)}"


def _event(kind: str, value: object) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return f"event: {kind}\ndata: {text}\n\n".encode(errors="replace")
