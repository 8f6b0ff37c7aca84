"""The status page's addresses, over a real server: what is answered, with which headers, and to how many."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from prometheus_client import CollectorRegistry

from autoscaler.service import patient, portions
from autoscaler.service.instruments import Instruments
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.metrics import SnapshotCollector
from autoscaler.service.page import live
from autoscaler.service.page.live import Listeners
from autoscaler.service.snapshot import Snapshot
from autoscaler.service.web import Sources
from autoscaler.service.web_server import WebServer
from tests.fakes.examples import DECISION, DOMAIN, DOMAIN_SNAPSHOT, GROWTH, LOAD, SNAPSHOT, VIEW

PATIENCE_S = 20.0
HOSTILE = ("<script>alert(1)</script>", "\u202eevil", "x" * 200, "100%", "../../etc/passwd", "a\nb", "$(id)")


class Site:
    """A served snapshot that can be changed."""

    def __init__(self, journal: Path) -> None:
        self.snapshot = SNAPSHOT
        registry = CollectorRegistry()
        registry.register(SnapshotCollector(self.newest))
        Instruments(registry)
        sources = Sources(newest=self.newest, registry=registry, journal=journal, healthy=lambda: None)
        self.server = WebServer(sources, host="127.0.0.1", port=0)
        self.server.start()
        self.client = httpx.Client(base_url=self.server.url, trust_env=False, timeout=PATIENCE_S)

    def newest(self) -> Snapshot:
        return self.snapshot

    def tick(self, **changes: object) -> None:
        snapshot = self.snapshot
        newer = {"wall_s": snapshot.wall_s + 5, "tick": snapshot.tick + 1} | changes
        self.snapshot = replace(snapshot, **newer)  # type: ignore[arg-type]

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    path = tmp_path / "journal.sqlite"
    journal = SqliteJournal(path)
    journal.decided(replace(GROWTH, load=LOAD), wall_s=SNAPSHOT.wall_s - 60, digest="d")
    journal.close()
    with closing(Site(path)) as site:
        yield site


@contextmanager
def listening(site: Site, path: str) -> Iterator[Iterator[tuple[str, str]]]:
    """The events that a browser hears there, as (kind, data)."""

    def events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
        kind = ""
        for text in lines:
            if text.startswith("event: "):
                kind = text.removeprefix("event: ")
            elif text.startswith("data:"):
                yield kind, text.removeprefix("data:").strip()

    with site.client.stream("GET", path) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.iter_lines())


def version_of(page: str) -> str:
    return page.partition("/live?after=")[2].partition('"')[0]


@pytest.mark.parametrize(
    "path", ["/", f"/domains/{DOMAIN.uuid}", "/domains/web-1?span=7d", "/static/page.js"]
)
def test_every_page_forbids_whatever_is_not_its_own(site: Site, path: str) -> None:
    answer = site.client.get(path)
    assert answer.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in answer.text
    assert "style=" not in answer.text
    assert "http://" not in answer.text.replace(site.server.url, "").replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_domain_of_any_name_has_its_page(site: Site, name: str) -> None:
    domain = replace(DOMAIN_SNAPSHOT, label=name, view=replace(VIEW, name=name))
    site.snapshot = replace(SNAPSHOT, domains=(domain,))
    assert f'href="/domains/{DOMAIN.uuid}"' in site.client.get("/").text
    page = site.client.get(f"/domains/{DOMAIN.uuid}")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    named = f"/domains/{quote(name, safe='').replace('.', '%2E')}"
    assert site.client.get(named).status_code == 200
    with listening(site, f"{named}/live"):
        pass


def test_a_page_that_is_not_there_says_why(site: Site) -> None:
    answer = site.client.get("/domains/<script>nobody")
    assert answer.status_code == 404
    assert "no governed domain is called" in answer.text
    assert "<script>nobody" not in answer.text
    assert "<h1>Not Found</h1>" in answer.text
    answer = site.client.get("/domains/web-1?span=1y")
    assert answer.status_code == 400
    assert "<h1>Bad Request</h1>" in answer.text
    assert "<title>Bad Request " in answer.text
    assert site.client.get("/domains/nobody/live").status_code == 404
    for path in ("/static/page.py", "/static/..%2Fboard.py", "/static/%2Fetc%2Fpasswd", "/index.html"):
        assert site.client.get(path).status_code == 404


@pytest.mark.parametrize(
    "query", ["span=../../etc/passwd", "span=$(id)", "after=1;id", "after=-1", "after=" + "9" * 5000, "x=%00"]
)
def test_no_query_does_anything_but_ask(site: Site, query: str) -> None:
    for path in ("/", "/domains/web-1"):
        answer = site.client.get(f"{path}?{query}")
        assert answer.status_code in {200, 400}
        assert "root:" not in answer.text
        assert "uid=" not in answer.text
    with listening(site, f"/live?{query}") as events:
        assert next(events) == ("stale", "")


def test_a_domains_page_stands_without_its_journal(tmp_path: Path) -> None:
    with closing(Site(tmp_path / "none")) as site:
        page = site.client.get("/domains/web-1")
        assert page.status_code == 200
        assert "cannot be read" in page.text


def test_nothing_that_can_have_the_focus_is_in_a_part_that_is_put_in_anew(site: Site) -> None:
    with listening(site, "/domains/web-1/live") as events:
        site.tick()
        parts = json.loads(next(events)[1])
    assert "<svg" in parts["chart"]
    assert "<table" in parts["moves"]
    for html in parts.values():
        assert not re.search(r"tabindex|<a |<button|<input|class=\"scroll", html)


def test_a_browser_hears_what_changed_since_the_page_it_has(site: Site) -> None:
    version = version_of(site.client.get("/").text)
    site.tick(domains=(replace(DOMAIN_SNAPSHOT, online=3),))
    with listening(site, f"/live?after={version}") as events:
        kind, data = next(events)
    assert kind == "changes"
    assert json.loads(data)["cells"][f"d-{DOMAIN.uuid}"]["online"] == "3"


def test_all_that_listen_hear_the_same_and_one_that_comes_back_hears_what_it_missed(site: Site) -> None:
    version = version_of(site.client.get("/").text)
    with listening(site, f"/live?after={version}") as one, listening(site, f"/live?after={version}") as two:
        site.tick(domains=(replace(DOMAIN_SNAPSHOT, online=2),))
        assert next(one) == next(two)
    with listening(site, f"/live?after={version}") as again:
        assert json.loads(next(again)[1])["cells"][f"d-{DOMAIN.uuid}"]["online"] == "2"


def test_a_page_that_is_fetched_between_two_looks_keeps_nothing_from_those_who_listen(site: Site) -> None:
    version = version_of(site.client.get("/").text)
    with listening(site, f"/live?after={version}") as events:
        site.tick(domains=(replace(DOMAIN_SNAPSHOT, online=2),))
        site.client.get("/")
        # Before it there may be a look that has the small pictures of the journal.
        told = (json.loads(data)["cells"].get(f"d-{DOMAIN.uuid}", {}) for _, data in events)
        assert next(cells["online"] for cells in told if "online" in cells) == "2"


def test_the_page_of_a_domain_is_told_its_parts_and_that_it_is_gone(site: Site) -> None:
    with listening(site, "/domains/web-1/live?span=6h") as events:
        site.tick()
        kind, data = next(events)
        assert kind == "parts"
        assert set(json.loads(data)) == {"facts", "why", "chart", "moves", "as-of"}
        site.tick(domains=())
        assert next(events) == ("stale", "")


def test_a_page_after_a_restart_has_its_small_pictures_from_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = SqliteJournal(path)
    for tick in range(200):
        wall_s = SNAPSHOT.wall_s - 2000 + 10.0 * tick
        journal.decided(replace(DECISION, load=LOAD), wall_s=wall_s, digest="d")
    journal.close()
    with closing(Site(path)) as site:
        end_s = time.monotonic() + PATIENCE_S
        while 'data-f="used-line" d=""' in (page := site.client.get("/").text):
            assert time.monotonic() < end_s, page
            time.sleep(0.05)


def test_there_are_only_so_many_listeners(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST", 2)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(listening(site, "/live?after=0"))
        assert site.client.get("/live?after=0").status_code == 503
    end_s = time.monotonic() + PATIENCE_S
    while site.client.get("/-/healthy").status_code != 200 or time.monotonic() < end_s:
        with site.client.stream("GET", "/live?after=0") as answer:
            if answer.status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("nobody was let in after they had left")


def test_one_that_does_not_read_is_cut_and_the_others_are_told() -> None:
    async def story() -> None:
        listeners, cut = Listeners(), list[str]()
        slow = listeners.join("", lambda: cut.append("slow"))
        quick = listeners.join("", lambda: cut.append("quick"))
        assert slow is not None
        assert quick is not None
        heard = []
        reading = quick.events()
        for number in range(30):
            listeners.tell("", b"%d" % number)
            heard.append(await anext(reading))
        assert heard == [b"%d" % number for number in range(30)]
        assert cut == ["slow"]
        assert len(listeners) == 1
        assert [event async for event in slow.events()] == []
        listeners.close()
        assert [event async for event in reading] == []

    asyncio.run(story())


def test_a_slow_reader_is_cut_while_the_service_ticks_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_MOST_WAITING", 1)
    version = version_of(site.client.get("/").text)
    with closing(socket.socket()) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(site.server.address)
        slow.sendall(f"GET /live?after={version} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        end_s, slowest_s = time.monotonic() + 60, 0.0
        page = site.server.page
        while time.monotonic() < end_s:
            many = tuple(
                replace(
                    DOMAIN_SNAPSHOT,
                    label=f"{site.snapshot.tick}-{number}",
                    view=replace(VIEW, id=DOMAIN._replace(uuid=f"{site.snapshot.tick}-{number}")),
                )
                for number in range(300)
            )
            started_s = time.monotonic()
            site.tick(domains=many)
            slowest_s = max(slowest_s, time.monotonic() - started_s)
            assert site.client.get("/-/healthy").status_code == 200
            if site.snapshot.tick > SNAPSHOT.tick + 3 and not len(page.listeners):
                break
            time.sleep(0.3)
        assert not len(page.listeners)
        assert slowest_s < 3.0
        assert _is_over(slow)


def test_five_hundred_idle_connections_do_not_delay_a_scrape(site: Site) -> None:
    alone_s = min(_scrape_s(site) for _ in range(5))
    with ExitStack() as held:
        for _ in range(500):
            held.enter_context(closing(socket.create_connection(site.server.address, timeout=PATIENCE_S)))
        beside_s = min(_scrape_s(site) for _ in range(5))
    assert beside_s < alone_s + 0.05


def _is_over(connection: socket.socket) -> bool:
    """Whether the other side has ended a connection, once what it sent before is read."""
    connection.settimeout(PATIENCE_S)
    try:
        while connection.recv(1 << 20):
            pass
    except ConnectionError:
        pass
    return True


def _scrape_s(site: Site) -> float:
    started_s = time.monotonic()
    with closing(httpx.Client(base_url=site.server.url, trust_env=False)) as client:
        assert client.get("/metrics").status_code == 200
    return time.monotonic() - started_s


def test_beyond_the_most_connections_the_one_idle_longest_makes_room(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient, "MOST_CONNECTIONS", 5)
    with ExitStack() as held:
        idle = [held.enter_context(closing(socket.create_connection(site.server.address))) for _ in range(8)]
        with closing(httpx.Client(base_url=site.server.url, trust_env=False)) as client:
            assert client.get("/-/healthy").status_code == 200
        assert _is_over(idle[0])


def test_connections_that_asked_once_and_are_kept_lock_nobody_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient, "MOST_CONNECTIONS", 5)
    with ExitStack() as held:
        for _ in range(5):
            kept = held.enter_context(closing(socket.create_connection(site.server.address, timeout=10)))
            kept.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert kept.recv(1 << 16).startswith(b"HTTP/1.1 200")
            kept.sendall(b"G")  # so that it is not closed for being idle
        with closing(httpx.Client(base_url=site.server.url, trust_env=False)) as client:
            assert client.get("/-/healthy").status_code == 200


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /metr", id="a part of a request"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n", id="no body"),
        pytest.param(
            b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\nGET", id="a part of a second request"
        ),
    ],
)
@pytest.mark.parametrize("trickles", [False, True])
def test_a_connection_that_does_not_come_to_an_end_of_asking_is_closed(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    begun: bytes,
    trickles: bool,  # noqa: FBT001 - a case
) -> None:
    monkeypatch.setattr(patient, "ASK_WITHIN_S", 0.5)
    with closing(socket.create_connection(site.server.address, timeout=PATIENCE_S)) as slow:
        slow.sendall(begun)
        end_s = time.monotonic() + PATIENCE_S
        with suppress(ConnectionError):
            while trickles:
                assert time.monotonic() < end_s, "it is let send for ever"
                slow.sendall(b"x")
                time.sleep(0.02)
        assert _is_over(slow)


def test_one_that_asks_again_and_again_is_kept_and_so_is_one_that_is_answered_for_long(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient, "ASK_WITHIN_S", 1.0)
    with (
        listening(site, "/live?after=0") as events,
        closing(socket.create_connection(site.server.address, timeout=PATIENCE_S)) as kept,
    ):
        for _ in range(10):
            kept.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = kept.recv(1 << 16)
            while not answer.endswith(b"OK\n"):
                answer += kept.recv(1 << 16)
            time.sleep(0.2)
        assert next(events) == ("stale", "")


def test_one_that_does_not_read_its_answer_to_the_end_is_cut(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(portions, "READ_WITHIN_S", 0.5)
    site.tick(
        domains=tuple(
            replace(
                DOMAIN_SNAPSHOT,
                label=f"web-{number}",
                view=replace(VIEW, id=DOMAIN._replace(uuid=f"uuid-{number}")),
            )
            for number in range(4000)
        )
    )
    with closing(socket.socket()) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(site.server.address)
        slow.settimeout(PATIENCE_S)
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = slow.recv(1024)
        time.sleep(1.0)
        with suppress(ConnectionError):
            while some := slow.recv(1 << 20):
                answer += some
    assert "ASGI" not in caplog.text
    assert len(answer) < int(answer.partition(b"content-length: ")[2].split()[0])
