"""HTTP: metrics, health and the read-only API. Nothing here changes anything, and nothing waits for a tick.

Invariant: every answer is made from the newest snapshot or read from the journal file; no request reaches the
controller, a guest, or a file that is not the journal.
"""

from __future__ import annotations

import errno
import gzip
import logging
import socket
import threading
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path  # noqa: TC003 - the dataclass below is resolved at run time
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from autoscaler.ports import AutoscalerError, JournalUnavailable
from autoscaler.service.decision_record import inputs_of
from autoscaler.service.describe import domain_of, slots_of, status_of, why_ungoverned
from autoscaler.service.explain import explain
from autoscaler.service.exposition import exposition
from autoscaler.service.journal_reader import decision_at, events
from autoscaler.service.settings import Listen

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry
    from starlette.datastructures import Headers
    from starlette.requests import Request

    from autoscaler.service.snapshot import DomainSnapshot, Snapshot

_MOST_EVENTS = 1000
_RECORDED_EVERY_S = 120.0
"""The journal writes once a minute how long a decision has lasted; what is older than this has ended."""
_MOST_IDS = 1 << 62
"""SQLite's ids are 64-bit; a larger number would not even be compared."""


class AddressTaken(AutoscalerError):
    """The web address cannot be listened on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the pages are made from."""

    newest: Callable[[], Snapshot]
    registry: CollectorRegistry
    journal: Path
    healthy: Callable[[], str | None]
    """None, or a sentence why the service is not well."""


def application(sources: Sources) -> Starlette:
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
        for candidate in self._sources.newest().domains:
            if _is(candidate, wanted):
                return JSONResponse(domain_of(candidate) | {"slots": slots_of(candidate)})
        return _problem(404, why_unknown(self._sources.newest(), wanted))

    async def explain(self, request: Request) -> Response:
        wanted, at = request.path_params["domain"], request.query_params.get("at")
        try:
            at_wall_s = None if at is None else float(at)
        except ValueError:
            return _problem(400, "'at' is a number of seconds since the epoch")
        if at_wall_s is not None and not isfinite(at_wall_s):
            return _problem(400, "'at' is a number of seconds since the epoch")
        domain = next((known for known in self._sources.newest().domains if _is(known, wanted)), None)
        key = wanted if domain is None else domain.view.id.uuid
        try:
            record = await run_in_threadpool(
                decision_at, self._sources.journal, domain=key, at_wall_s=at_wall_s
            )
        except JournalUnavailable as error:
            return _problem(503, str(error))
        if record is None:
            return _problem(404, why_unrecorded(self._sources.newest(), wanted, past=at is not None))
        if at is None and domain is not None:
            record = _up_to_date(record, domain, self._sources.newest().wall_s)
        note = _note(record, at_wall_s)
        if domain is None:
            note = f"{why_unknown(self._sources.newest(), wanted)}; this is the last on record"
        steps = [asdict(step) for step in explain(record)]
        return JSONResponse({"note": note, "record": record, "steps": steps})

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


def _note(record: dict[str, object], at_wall_s: float | None) -> str:
    """What is to be known of a record that is not of the moment that was asked for; empty: nothing."""
    until_wall_s = record["until_wall_s"]
    assert isinstance(until_wall_s, float)
    if at_wall_s is None or at_wall_s - until_wall_s <= _RECORDED_EVERY_S:
        return ""
    return "nothing is on record of that time: this is the last before it"


def _up_to_date(record: dict[str, object], domain: DomainSnapshot, wall_s: float) -> dict[str, object]:
    """The newest record with what the last tick decided on, where that only repeated it.

    The journal writes repetitions once a minute.
    """
    decision = domain.decision
    if decision is None or (record["reason"], record["online"], record["target"], record["act"]) != (
        decision.reason,
        decision.online,
        decision.target,
        decision.act,
    ):
        return record
    return record | {
        "newest_inputs": inputs_of(decision),
        "proposed": decision.proposed,
        "until_wall_s": wall_s,
    }


def _is(domain: DomainSnapshot, wanted: str) -> bool:
    return wanted in {domain.label, domain.view.name, domain.view.id.uuid}


def why_unrecorded(snapshot: Snapshot, wanted: str, *, past: bool) -> str:
    """Why nothing is on record of a domain."""
    if past and any(_is(domain, wanted) for domain in snapshot.domains):
        return f"nothing was recorded of domain {wanted!r} before that time: `autoscaler events` has what was"
    return why_unknown(snapshot, wanted)


def why_unknown(snapshot: Snapshot, wanted: str) -> str:
    """Why a domain is not among the governed ones, as far as the last tick tells."""
    for view in snapshot.ungoverned:
        if wanted in {view.name, view.id.uuid}:
            return why_ungoverned(view, snapshot)
    for host in snapshot.hosts:
        if wanted in host.unseen:
            return f"domain {wanted!r} cannot be seen: {host.unseen[wanted]}"
    lost = [host.label for host in snapshot.hosts if not host.connected]
    if lost:
        return (
            f"no governed domain is called {wanted!r}, and {lost[0]} does not answer: see `autoscaler status`"
        )
    return f"no governed domain is called {wanted!r}: `autoscaler list` has those that are"


def _problem(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


class WebServer:
    """Serves the application on its own thread."""

    def __init__(self, sources: Sources, *, host: str, port: int) -> None:
        self._socket = _listen(host, port)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self.url = f"http://{Listen(*self.address)}"
        """Where it answers."""
        config = uvicorn.Config(
            application(sources),
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
            limit_concurrency=200,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="web", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the address."""
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
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            advice = f"see what uses it with `ss -ltnp 'sport = :{port}'`, or give web.listen another port"
        else:
            advice = "give web.listen an address of this host and a port that the service's user may take"
        raise AddressTaken(f"cannot listen on {Listen(host, port)} ({error.strerror}): {advice}") from error
    return listener
