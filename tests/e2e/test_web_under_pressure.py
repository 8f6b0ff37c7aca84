"""The installed service under those who connect and do nothing, or do not read: it ticks as ever."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.fakes.running_service import RunningService, idle_service

IDLE = 500
TICKS = 5


@pytest.fixture(scope="module")
def service() -> Iterator[RunningService]:
    """A service that watches an empty folder, once a second."""
    with idle_service() as service:
        yield service


def scrape_s(service: RunningService) -> float:
    started_s = time.monotonic()
    assert "vcpu_autoscaler_" in service.get("/metrics")
    return time.monotonic() - started_s


def test_idle_connections_and_slow_readers_delay_neither_a_scrape_nor_a_tick(service: RunningService) -> None:
    alone_s = min(scrape_s(service) for _ in range(5))
    with ExitStack() as held:
        for _ in range(IDLE):
            held.enter_context(closing(socket.create_connection(("127.0.0.1", service.port), timeout=20)))
        for _ in range(20):
            slow = held.enter_context(closing(socket.socket()))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", service.port))
            # Many pages are asked for at once, and none is read.
            slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        ticks, started_s = service.get("/api/v1/status")["ticks"], time.monotonic()
        beside_s = min(scrape_s(service) for _ in range(5))
        while service.get("/api/v1/status")["ticks"] < ticks + TICKS:
            assert time.monotonic() < started_s + 2 * TICKS, "the ticks are late"
            time.sleep(0.1)
    # A twentieth of the interval that is usual.
    assert beside_s < alone_s + 0.25


def test_a_page_of_the_installed_service_has_its_files(service: RunningService) -> None:
    assert "0 domains governed" in service.get("/")
    for name in ("page.css", "page.js", "icon.svg"):
        assert service.get(f"/static/{name}")


def test_the_service_ends_in_time_though_a_browser_listens(service: RunningService) -> None:
    with closing(socket.create_connection(("127.0.0.1", service.port))) as browser:
        browser.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert browser.recv(1024)
        started_s = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started_s < 5
        with contextlib.suppress(ConnectionError):
            while browser.recv(65536):
                pass
    assert "Traceback" not in service.log.read_text()
    assert "graceful" not in service.log.read_text()
