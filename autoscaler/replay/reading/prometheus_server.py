"""Asks a Prometheus server over HTTP, and trusts nothing that answers there.

Invariant: all questions together end within one deadline, no answer is longer than `LONGEST_ANSWER`, and only
the named host is asked.
"""

from __future__ import annotations

import contextlib
import json
import socket
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Event, Timer
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import SplitResult, urlencode, urlsplit

from autoscaler.replay.findings import TraceError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

LONGEST_ANSWER = 64 * 1024 * 1024
_READ_BYTES = 65_536
_CONNECT_S = 10.0
_OK, _UNAUTHORISED, _FORBIDDEN, _MOVED = 200, 401, 403, range(300, 400)


class PrometheusServer:
    """One server, for the time of one ``with``.

    Every call raises TraceError with what is wrong and what to do.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self._address = _split(self.url)
        self._timeout_s = timeout_s
        self._expired = Event()
        self._timer = Timer(timeout_s, self._expire)
        self._timer.daemon = True
        connects = HTTPSConnection if self._address.scheme == "https" else HTTPConnection
        self._connection = connects(str(self._address.hostname), self._address.port, timeout=_CONNECT_S)
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._connection.close()
        if self._socket is not None:
            self._socket.close()

    def matrix(self, query: str, *, start_s: float, end_s: float, step_s: float) -> list[object]:
        """The series of a range query, as the server wrote them."""
        asked = {"query": query, "start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:.3f}"}
        return self._series("/api/v1/query_range", asked)

    def samples(self, query: str, at_s: float) -> list[object]:
        """The series of a query for samples as they were scraped, up to a time."""
        return self._series("/api/v1/query", {"query": query, "time": f"{at_s:.3f}"})

    def _series(self, path: str, asked: Mapping[str, str]) -> list[object]:
        answer = self._get(path, asked)
        data = answer.get("data") if isinstance(answer, dict) else None
        found = data.get("result") if isinstance(data, dict) else None
        if not isinstance(data, dict) or data.get("resultType") != "matrix" or not isinstance(found, list):
            raise TraceError(f"{self.url}: this is JSON, but no answer of Prometheus to such a query")
        return found

    def _get(self, path: str, query: Mapping[str, str]) -> object:
        try:
            # Closed here, since read1 leaves that to us and a connection takes one question at a time.
            with self._answer(f"{self._address.path}{path}?{urlencode(query)}") as response:
                body = self._body(response)
        except (OSError, HTTPException, ValueError) as error:
            raise self._failure(error) from error
        if response.status != _OK:
            raise TraceError(f"{self.url}: {_refusal(response, body)}")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            kind = shown(response.headers.get_content_type())
            raise TraceError(f"{self.url}: this is no Prometheus; it answers {kind}, not its JSON") from error

    def _answer(self, target: str) -> HTTPResponse:
        if self._connection.sock is None:
            self._connection.connect()
            self._socket = cast("socket.socket", self._connection.sock)
            # From here on only the deadline of all ends a wait: a query may take its time.
            self._socket.settimeout(None)
        if self._expired.is_set():
            raise TimeoutError
        self._connection.request("GET", target, headers={"Accept": "application/json"})
        return self._connection.getresponse()

    def _body(self, response: HTTPResponse) -> bytes:
        body = bytearray()
        while read := response.read1(_READ_BYTES):
            body += read
            if len(body) > LONGEST_ANSWER:
                self._connection.close()
                raise TraceError(
                    f"{self.url}: an answer is longer than {LONGEST_ANSWER >> 20} MiB; ask for less time"
                )
        if self._expired.is_set() or response.length:
            raise ConnectionError("the connection ended within an answer")
        return bytes(body)

    def _failure(self, error: Exception) -> TraceError:
        if self._expired.is_set():
            return TraceError(
                f"{self.url}: no whole answer within {self._timeout_s:g} s; ask for less time, or wait longer"
                " with --timeout"
            )
        if isinstance(error, ConnectionRefusedError):
            return TraceError(f"{self.url}: nothing listens there; is Prometheus running, and on that port?")
        if isinstance(error, TimeoutError):
            return TraceError(
                f"{self.url}: no connection within {_CONNECT_S:g} s; is the host up, is the port open?"
            )
        if isinstance(error, HTTPException):
            return TraceError(
                f"{self.url}: this is no web server: {shown(str(error) or type(error).__name__)}"
            )
        return TraceError(f"{self.url}: {error}")

    def _expire(self) -> None:
        self._expired.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it may be closed already
                # The plain socket's: that of TLS would say good-bye first, and wait for it.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _split(url: str) -> SplitResult:
    wrong = TraceError(f"{shown(url)} is no address of a server such as http://127.0.0.1:9090")
    try:
        address = urlsplit(url)
        _ = address.port
    except ValueError as error:
        raise wrong from error
    if address.scheme not in {"http", "https"} or not address.hostname or address.query or address.fragment:
        raise wrong
    if not url.isascii() or not url.isprintable() or " " in url:
        raise wrong
    if address.username is not None:
        raise TraceError(
            f"the address of {address.hostname} has a user in it; passwords are not sent to servers here"
        )
    return address


def _refusal(response: HTTPResponse, body: bytes) -> str:
    if response.status in _MOVED:
        where = shown(response.headers.get("Location", "nowhere"))
        return f"it sends elsewhere, to {where}; name the server itself"
    if response.status in {_UNAUTHORISED, _FORBIDDEN}:
        return f"it asks who you are (HTTP {response.status}); use an address that answers without a password"
    try:
        answer = json.loads(body)
        words = answer["error"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return f"this is no Prometheus, or no healthy one: HTTP {response.status}"
    return f"Prometheus refuses (HTTP {response.status}): {shown(str(words))}"
