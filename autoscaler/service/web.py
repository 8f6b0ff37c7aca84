"""HTTP: metrics, health and the read-only API. Nothing here changes anything, and nothing waits for a tick.

Invariant: every answer is made from the newest snapshot or read from the journal file; no request reaches the
controller, a guest, or a file that is not the journal.
"""

from __future__ import annotations

import gzip
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path  # noqa: TC003 - the dataclass below is resolved at run time
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from autoscaler.ports import JournalUnavailable
from autoscaler.service.describe import domain_of, slots_of, status_of
from autoscaler.service.exposition import exposition
from autoscaler.service.journal_reader import events
from autoscaler.service.lookup import explained, meant, why_unknown, why_unrecorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry
    from starlette.datastructures import Headers
    from starlette.requests import Request

    from autoscaler.service.page.pages import StatusPage
    from autoscaler.service.snapshot import Snapshot

_MOST_EVENTS = 1000
_MOST_IDS = 1 << 62
"""SQLite's ids are 64-bit; a larger number would not even be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the pages are made from."""

    newest: Callable[[], Snapshot]
    registry: CollectorRegistry
    journal: Path
    healthy: Callable[[], str | None]
    """None, or a sentence why the service is not well."""
    interval_s: float = 5.0
    """Between two samples of a guest."""


def application(sources: Sources, page: StatusPage) -> Starlette:
    """The ASGI application."""
    pages = _Pages(sources)
    return Starlette(
        routes=[
            Route("/metrics", pages.metrics),
            Route("/-/healthy", pages.healthy),
            Route("/-/ready", pages.ready),
            Route("/api/v1/status", pages.status),
            Route("/api/v1/domains", pages.domains),
            Route("/api/v1/domains/{domain}", pages.domain),
            Route("/api/v1/domains/{domain}/explain", pages.explain),
            Route("/api/v1/decisions", pages.decisions),
            *page.routes,
        ]
    )


class _Pages:
    """One method a page."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def metrics(self, request: Request) -> Response:
        body, headers = await run_in_threadpool(_scraped, self._sources.registry, request.headers)
        return Response(body, headers=headers)

    async def healthy(self, _: Request) -> Response:
        trouble = self._sources.healthy()
        return PlainTextResponse("OK\n") if trouble is None else PlainTextResponse(f"{trouble}\n", 503)

    async def ready(self, _: Request) -> Response:
        if self._sources.newest().tick == 0:
            return PlainTextResponse("not ready: the first tick is not over\n", 503)
        return PlainTextResponse("READY\n")

    async def status(self, _: Request) -> Response:
        return JSONResponse(status_of(self._sources.newest()))

    async def domains(self, _: Request) -> Response:
        return JSONResponse([domain_of(domain) for domain in self._sources.newest().domains])

    async def domain(self, request: Request) -> Response:
        wanted = request.path_params["domain"]
        domain = meant(self._sources.newest(), wanted)
        if domain is None:
            return _problem(404, why_unknown(self._sources.newest(), wanted))
        return JSONResponse(domain_of(domain) | {"slots": slots_of(domain)})

    async def explain(self, request: Request) -> Response:
        wanted, at = request.path_params["domain"], request.query_params.get("at")
        try:
            at_wall_s = None if at is None else float(at)
        except ValueError:
            return _problem(400, "'at' is a number of seconds since the epoch")
        if at_wall_s is not None and not isfinite(at_wall_s):
            return _problem(400, "'at' is a number of seconds since the epoch")
        try:
            told = await run_in_threadpool(
                explained, self._sources.journal, self._sources.newest(), wanted, at_wall_s
            )
        except JournalUnavailable as error:
            return _problem(503, str(error))
        if isinstance(told, str):
            return _problem(404, told)
        steps = [asdict(step) for step in told.steps]
        return JSONResponse({"note": told.note, "record": told.record, "steps": steps})

    async def decisions(self, request: Request) -> Response:
        query = request.query_params
        try:
            after, limit = int(query.get("after", "0")), int(query.get("limit", "100"))
        except ValueError:
            return _problem(400, "'after' and 'limit' are whole numbers")
        if not (0 <= after < _MOST_IDS and 1 <= limit <= _MOST_EVENTS):
            return _problem(400, f"'after' is a decision's id, 'limit' is from 1 to {_MOST_EVENTS}")
        try:
            found = await run_in_threadpool(
                events, self._sources.journal, domain=query.get("domain"), after=after, limit=limit
            )
        except JournalUnavailable as error:
            return _problem(503, str(error))
        if query.get("domain") and not found and not after:
            return _problem(404, why_unrecorded(self._sources.newest(), query["domain"], past=False))
        return JSONResponse(found)


def _scraped(registry: CollectorRegistry, asked: Headers) -> tuple[bytes, dict[str, str]]:
    """The metrics as the scraper wants them, and what to say of them."""
    body, content_type = exposition(registry, asked.get("accept", ""))
    headers = {"content-type": content_type, "vary": "accept, accept-encoding"}
    if "gzip" in asked.get("accept-encoding", ""):
        body, headers["content-encoding"] = gzip.compress(body, compresslevel=1), "gzip"
    return body, headers


def _problem(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)
