"""Who is told by a webhook: a real HTTP server that answers as it was told to, and keeps what came."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 20.0


class Receiver:
    """What came, and what is answered next."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.told: list[dict[str, Any]] = []
        """What was taken."""
        self.tries = 0
        self.headers: dict[str, str] = {}
        self.answers: deque[int] = deque()
        """Status codes to answer next; then 204."""
        self.silent = False
        """Whether nothing is answered at all."""
        self.nonsense = b""
        """What is answered instead, and is no HTTP."""

    def wait(self, until: Callable[[], bool]) -> None:
        """Wait until something is so."""
        end_s = time.monotonic() + PATIENCE_S
        while not until():
            assert time.monotonic() < end_s, f"told: {self.told}, tries: {self.tries}"
            time.sleep(0.02)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a loopback port for the block."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.tries += 1
            receiver.headers = dict(self.headers.items())
            if receiver.silent:
                over.wait(PATIENCE_S)
                return
            if receiver.nonsense:
                self.wfile.write(receiver.nonsense)
                self.close_connection = True
                return
            status = receiver.answers.popleft() if receiver.answers else 204
            if status < 300:
                # Before it is answered: else what is sent next could be kept first.
                receiver.told.append(json.loads(body))
            self.send_response(status)
            if status in {301, 302, 307}:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook?token=s3cret")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            over.set()
            server.shutdown()
            thread.join(PATIENCE_S)
