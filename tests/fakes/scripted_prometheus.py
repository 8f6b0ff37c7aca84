"""A Prometheus server with a few series, which answers range queries as the real one does, or misbehaves.

It knows the functions that are asked of it, over samples in a window that is open on the left, and refuses
more than 11,000 points a series.
"""

from __future__ import annotations

import json
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from operator import itemgetter
from urllib.parse import parse_qs, urlsplit

MOST_POINTS = 11_000
_QUERY = re.compile(
    r"(?P<without>sum without \(vcpu\) )?\(?"
    r"(?P<function>\w+)\((?P<metric>\w+)(?:\{state=\"(?P<state>\w+)\"\})?\[(?P<window>\d+)ms\]\)"
    r"(?: and count_over_time\((?P=metric)\[(?P=window)ms\]\) >= (?P<least>\d+)\))?"
    r"(?: / (?P<divisor>\d+))?"
)
_SAMPLES = re.compile(r"(?P<metric>\w+)\{(?P<labels>.*)\}\[(?P<window>\d+)ms\]")
_LABEL = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')
Samples = list[tuple[float, float]]


def _rate(samples: Samples, since: float, until: float) -> float | None:
    """Growth a second, extrapolated to the borders of the window as Prometheus does."""
    if len(samples) < 2:
        return None
    (first, was), (last, is_now) = samples[0], samples[-1]
    sampled = last - first
    usual = sampled / (len(samples) - 1)
    beyond = sum(gap if gap < 1.1 * usual else usual / 2 for gap in (first - since, until - last))
    return (is_now - was) * (sampled + beyond) / sampled / (until - since)


_FUNCTIONS: dict[str, Callable[[Samples, float, float], float | None]] = {
    "last_over_time": lambda samples, *_: samples[-1][1],
    "max_over_time": lambda samples, *_: max(value for _, value in samples),
    "avg_over_time": lambda samples, *_: sum(value for _, value in samples) / len(samples),
    "count_over_time": lambda samples, *_: len(samples),
    "rate": _rate,
}
Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Series:
    """What one target said of one metric."""

    metric: str
    labels: dict[str, str]
    samples: Samples


@dataclass
class ScriptedPrometheus:
    """The server's memory; the address is known once it runs."""

    series: list[Series] = field(default_factory=list)
    misbehave: Answer | None = None
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the test is over: what hangs then ends."""

    def scraped(
        self, metric: str, value: Callable[[float], float], *, every_s: float, until_s: float, **labels: str
    ) -> None:
        """Add a series that was scraped evenly from 0 on."""
        times = [every_s * scrape for scrape in range(int(until_s / every_s) + 1)]
        self.series.append(Series(metric, labels, [(at, value(at)) for at in times]))

    def answer(self, query: dict[str, str]) -> tuple[int, dict[str, object]]:
        """The status and the answer to a query."""
        if "time" in query:
            return 200, self._matrix(self._samples(query["query"], float(query["time"])))
        start, end, step = (float(query[name]) for name in ("start", "end", "step"))
        points = int((end - start) / step + 1e-9) + 1
        if points > MOST_POINTS:
            return 400, {"status": "error", "errorType": "bad_data", "error": "exceeded maximum resolution"}
        found = _QUERY.fullmatch(query["query"])
        if found is None:
            return 400, {"status": "error", "errorType": "bad_data", "error": "parse error"}
        times = [start + step * point for point in range(points)]
        return 200, self._matrix(self._result(found, times))

    @staticmethod
    def _matrix(result: list[dict[str, object]]) -> dict[str, object]:
        return {"status": "success", "data": {"resultType": "matrix", "result": result}}

    def _samples(self, query: str, at: float) -> list[dict[str, object]]:
        found = _SAMPLES.fullmatch(query)
        assert found is not None
        labels = {name: json.loads(text) for name, text in _LABEL.findall(found["labels"])}
        since = at - int(found["window"]) / 1000
        return [
            {"metric": series.labels, "values": [[t, repr(v)] for t, v in series.samples if since < t <= at]}
            for series in self.series
            if series.metric == found["metric"] and series.labels == labels
        ]

    def _result(self, found: re.Match[str], times: list[float]) -> list[dict[str, object]]:
        window_s = int(found["window"]) / 1000
        sums: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
        for series in self.series:
            if series.metric != found["metric"] or series.labels.get("state") != found["state"]:
                continue
            kept = {
                name: text for name, text in series.labels.items() if not found["without"] or name != "vcpu"
            }
            values = sums.setdefault(tuple(sorted(kept.items())), {})
            for at in times:
                first = bisect_right(series.samples, at - window_s, key=itemgetter(0))
                samples = series.samples[first : bisect_right(series.samples, at, key=itemgetter(0))]
                if len(samples) < int(found["least"] or 1):
                    continue
                value = _FUNCTIONS[found["function"]](samples, at - window_s, at)
                if value is not None:
                    values[at] = values.get(at, 0.0) + value / int(found["divisor"] or 1)
        return [
            {"metric": dict(labels), "values": [[at, repr(value)] for at, value in values.items()]}
            for labels, values in sums.items()
            if values
        ]


class _Web(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, *_: object) -> None:
        """Say nothing: who asks may hang up."""


@contextmanager
def running(server: ScriptedPrometheus) -> Iterator[ScriptedPrometheus]:
    """Serve on a free port of this host."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if server.misbehave is not None:
                server.misbehave(self)
                return
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            server.asked.append(query)
            reply(self, *server.answer(query))

        def log_message(self, *_: object) -> None:
            pass

    web = _Web(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        web.shutdown()
        web.server_close()
        thread.join()


def reply(
    handler: BaseHTTPRequestHandler,
    status: int,
    answer: object,
    kind: str = "application/json",
    **headers: str,
) -> None:
    """Send JSON, or text as it stands."""
    body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
    handler.send_response(status)
    for name, value in {"Content-Type": kind, **headers}.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
