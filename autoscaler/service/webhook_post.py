"""One POST, over within a time as a whole.

What the library bounds is each wait for a byte: a receiver that sends one now and then would hold the caller
for ever. Invariant: `post` ends within its time, but for the look-up of a name, which the system bounds.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Mapping

_AGAIN_S = 0.2


class _StayHere(HTTPRedirectHandler):
    """Follows no redirect: what is configured is where it goes."""

    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - as the library calls it
        return None


class _Plain(HTTPHandler):
    """Hands out the connection that it uses."""

    connection: HTTPConnection | None = None

    def http_open(self, req: Request) -> HTTPResponse:
        def made(host: str, **how: Any) -> HTTPConnection:  # noqa: ANN401 - as the library calls it
            self.connection = HTTPConnection(host, **how)
            return self.connection

        return self.do_open(made, req)


class _Secure(HTTPSHandler):
    """The same, over TLS."""

    connection: HTTPConnection | None = None

    def https_open(self, req: Request) -> HTTPResponse:
        def made(host: str, **how: Any) -> HTTPConnection:  # noqa: ANN401 - as the library calls it
            self.connection = HTTPSConnection(host, **how)
            return self.connection

        return self.do_open(made, req)


def post(url: str, body: bytes, headers: Mapping[str, str], *, within_s: float) -> None:
    """Send something, and wait until it is taken.

    Raises:
        HTTPError: it was not taken.
        OSError: nobody can be reached; `TimeoutError`: not within the time.
        HTTPException: what came back is no HTTP.
    """
    request = Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310 - the configuration allows http and https only
    over, late = threading.Event(), threading.Event()
    plain, secure = _Plain(), _Secure()

    def hurry() -> None:
        if over.wait(within_s):
            return
        late.set()
        # Over and over, for there may be no connection yet.
        while not over.wait(_AGAIN_S):
            for handler in (plain, secure):
                if handler.connection is not None and handler.connection.sock is not None:
                    with suppress(OSError):
                        handler.connection.sock.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=hurry, name="webhook-hurry", daemon=True).start()
    try:
        with build_opener(_StayHere, plain, secure).open(request, timeout=within_s) as answer:
            del answer  # What it says beside its status is nobody's business.
    except (OSError, ValueError) as error:
        if late.is_set():
            raise TimeoutError(f"no answer within {within_s:g} s") from error
        raise
    finally:
        over.set()
