"""HTTP: metrics, health and the read-only API. Nothing here changes anything, and nothing waits for a tick.

Invariants: every answer is made from the newest snapshot or read from the journal file; no request reaches
the controller, a guest, or a file that is not the journal. What costs more than a glance is made in turns,
scrapes and tables of all domains apart from what reads the journal, so that neither waits for the other.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import asdict, dataclass
from functools import partial
from math import isfinite
from pathlib import Path  # noqa: TC003 - the dataclass below is resolved at run time
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from autoscaler.errors import JournalUnavailable
from autoscaler.service.describe import domain_of, slots_of, status_of
from autoscaler.service.exposition import exposition, form_for
from autoscaler.service.journal_reader import events
from autoscaler.service.label_route import LABEL
from autoscaler.service.lookup import explained, meant, why_unknown, why_unrecorded
from autoscaler.service.portions import PortionedResponse
from autoscaler.service.turns import Crowded, Turns, come_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry
    from starlette.requests import Request

    from autoscaler.service.page.pages import StatusPage
    from autoscaler.service.snapshot import Snapshot

_MOST_EVENTS = 1000
_MOST_SCRAPES = 16
"""That wait; there are few kinds of them, and each is made once for all who ask."""
_NO_WEIGHT = re.compile(r"q=0(\.0*)?")
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


def application(sources: Sources, page: StatusPage, lookups: Turns) -> Starlette:
    """The ASGI application; what reads the journal takes its turn in `lookups`."""
    pages = _Pages(sources, lookups)
    served = Starlette(
        routes=[
            Route("/metrics", pages.metrics),
            Route("/-/healthy", pages.healthy),
            Route("/-/ready", pages.ready),
            Route("/api/v1/status", pages.status),
            Route("/api/v1/domains", pages.domains),
            Route(f"/api/v1/domains/{LABEL}/explain", pages.explain),
            Route(f"/api/v1/domains/{LABEL}", pages.domain),
            Route("/api/v1/decisions", pages.decisions),
            *page.routes,
        ],
        exception_handlers={Crowded: _turned_away},
    )
    # An address has one form: a client that follows no redirects would take the other for an empty answer.
    served.router.redirect_slashes = False
    return served


class _Pages:
    """One method a page."""

    def __init__(self, sources: Sources, lookups: Turns) -> None:
        self._sources = sources
        self._lookups = lookups
        self._scrapes = Turns(_MOST_SCRAPES)

    async def metrics(self, request: Request) -> Response:
        form = form_for(request.headers.get("accept", ""))
        packed = takes_gzip(request.headers.get("accept-encoding", ""))

        def make() -> bytes:
            body = exposition(self._sources.registry, openmetrics=form.openmetrics)
            return gzip.compress(body, compresslevel=1) if packed else body

        body = await self._scrapes.made((form.openmetrics, packed, self._sources.newest().tick), make)
        headers = {"content-type": form.content_type, "vary": "accept, accept-encoding"}
        return PortionedResponse(body, headers=headers | ({"content-encoding": "gzip"} if packed else {}))

    async def healthy(self, _: Request) -> Response:
        trouble = self._sources.healthy()
        return PlainTextResponse("OK\n") if trouble is None else PlainTextResponse(f"{trouble}\n", 503)

    async def ready(self, _: Request) -> Response:
        if self._sources.newest().tick == 0:
            return PlainTextResponse("not ready: the first tick is not over\n", 503)
        return PlainTextResponse("READY\n")

    async def status(self, _: Request) -> Response:
        return await self._table("status", status_of)

    async def domains(self, _: Request) -> Response:
        return await self._table("domains", lambda seen: [domain_of(domain) for domain in seen.domains])

    async def _table(self, name: str, rows: Callable[[Snapshot], object]) -> Response:
        """Something of all domains as JSON."""
        snapshot = self._sources.newest()
        body = await self._scrapes.made((name, snapshot.tick), lambda: json.dumps(rows(snapshot)).encode())
        return PortionedResponse(body, media_type="application/json")

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
            snapshot = self._sources.newest()
            told = await self._lookups.made(
                ("explain", wanted, at_wall_s, snapshot.tick),
                partial(explained, self._sources.journal, snapshot, wanted, at_wall_s),
            )
        except JournalUnavailable as error:
            return _problem(503, str(error))
        if isinstance(told, str):
            return _problem(404, told)
        steps = [asdict(step) for step in told.steps]
        found = {"note": told.note, "record": told.record, "steps": steps}
        return JSONResponse(found | {"conditions": dict(told.conditions)})

    async def decisions(self, request: Request) -> Response:
        query = request.query_params
        try:
            after, limit = int(query.get("after", "0")), int(query.get("limit", "100"))
        except ValueError:
            return _problem(400, "'after' and 'limit' are whole numbers")
        if not (0 <= after < _MOST_IDS and 1 <= limit <= _MOST_EVENTS):
            return _problem(400, f"'after' is a decision's id, 'limit' is from 1 to {_MOST_EVENTS}")
        try:
            domain = query.get("domain")
            found = await self._lookups.made(
                ("decisions", domain, after, limit),
                partial(events, self._sources.journal, domain=domain, after=after, limit=limit),
            )
        except JournalUnavailable as error:
            return _problem(503, str(error))
        if query.get("domain") and not found and not after:
            return _problem(404, why_unrecorded(self._sources.newest(), query["domain"], past=False))
        return JSONResponse(found)


def takes_gzip(accepted: str) -> bool:
    """Whether the header ``Accept-Encoding`` allows gzip."""
    weights = {}
    for part in accepted.lower().replace(" ", "").split(","):
        coding, _, weight = part.partition(";")
        weights[coding] = weight
    return not _NO_WEIGHT.fullmatch(weights.get("gzip", weights.get("*", "q=0")))


async def _turned_away(_: Request, __: Exception) -> Response:
    return come_again()


def _problem(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)
