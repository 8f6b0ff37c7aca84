"""The pages, over a real server on a loopback port of the system's choice."""

from __future__ import annotations

import logging
import resource
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from autoscaler.service.instruments import Instruments
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.metrics import SnapshotCollector
from autoscaler.service.snapshot import Snapshot
from autoscaler.service.web import Sources
from autoscaler.service.web_server import AddressTaken, WebServer
from tests.fakes.examples import DECISION, DOMAIN, DOMAIN_SNAPSHOT, GROWTH, LOAD, SNAPSHOT, VIEW

HOSTILE = ["a b", "\u202eevil", "x" * 200, "100%", "ü&?#", "🦆", "..", "a\nb", "web-1@qemu:///system"]


class Site:
    """A served snapshot that can be changed."""

    def __init__(self, journal: Path) -> None:
        self.snapshot = SNAPSHOT
        self.trouble: str | None = None
        registry = CollectorRegistry()
        registry.register(SnapshotCollector(self.newest))
        Instruments(registry)
        sources = Sources(
            newest=self.newest, registry=registry, journal=journal, healthy=lambda: self.trouble
        )
        self.server = WebServer(sources, host="127.0.0.1", port=0)
        self.server.start()
        self.client = httpx.Client(base_url=self.server.url, trust_env=False)

    def newest(self) -> Snapshot:
        return self.snapshot

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    path = tmp_path_factory.mktemp("web") / "journal.sqlite"
    journal = SqliteJournal(path)
    for number in range(5):
        decision = GROWTH if number == 4 else replace(DECISION, target=number)
        journal.decided(decision, wall_s=1000.0 + number, digest="d")
    journal.close()
    site = Site(path)
    yield site
    site.close()


@pytest.fixture
def site(served: Site) -> Site:
    served.snapshot, served.trouble = SNAPSHOT, None
    return served


def test_metrics_are_in_the_format_that_was_asked_for(site: Site) -> None:
    plain = site.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert list(text_string_to_metric_families(plain.text))
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    other = site.client.get("/metrics", headers=accept)
    assert other.headers["content-type"].startswith("application/openmetrics-text")
    assert other.text.endswith("# EOF\n")


def test_metrics_are_compressed_for_who_takes_them_so(site: Site) -> None:
    plain = site.client.get("/metrics", headers={"accept-encoding": "identity"})
    packed = site.client.get("/metrics", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert int(packed.headers["content-length"]) < len(plain.content) / 2


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("*", True),
        ("GZIP; q=1", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, deflate", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("x-gzip-not", False),
    ],
)
def test_metrics_are_compressed_for_nobody_who_refuses_it(site: Site, accepted: str, packed: bool) -> None:  # noqa: FBT001 - a case
    answer = site.client.get("/metrics", headers={"accept-encoding": accepted})
    assert (answer.headers.get("content-encoding") == "gzip") is packed


@pytest.mark.parametrize("accept", ["text/plain; version=new", "application/openmetrics-text; version=x.y"])
def test_a_format_that_nobody_knows_gets_the_metrics_all_the_same(site: Site, accept: str) -> None:
    answer = site.client.get("/metrics", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"][:24]) == (200, "text/plain; version=0.0.")


def test_health_says_what_is_wrong(site: Site) -> None:
    assert (site.get("/-/healthy").status_code, site.get("/-/healthy").text) == (200, "OK\n")
    site.trouble = "no tick was finished for 99 s"
    assert (site.get("/-/healthy").status_code, site.get("/-/healthy").text) == (503, f"{site.trouble}\n")


def test_the_service_is_ready_after_its_first_tick(site: Site) -> None:
    site.snapshot = replace(SNAPSHOT, tick=0)
    assert site.get("/-/ready").status_code == 503
    site.snapshot = SNAPSHOT
    assert site.get("/-/ready").status_code == 200


def test_status_and_domains_are_those_of_the_snapshot(site: Site) -> None:
    assert site.get("/api/v1/status").json()["ticks"] == 5
    assert [domain["name"] for domain in site.get("/api/v1/domains").json()] == ["web-1"]


@pytest.mark.parametrize("name", ["web-1", DOMAIN.uuid])
def test_a_domain_is_found_by_name_and_by_uuid(site: Site, name: str) -> None:
    assert site.get(f"/api/v1/domains/{name}").json()["uuid"] == DOMAIN.uuid


@pytest.mark.parametrize("name", HOSTILE)
def test_a_domain_of_any_name_is_found_by_it(site: Site, name: str) -> None:
    domain = replace(DOMAIN_SNAPSHOT, label=name, view=replace(VIEW, name=name))
    site.snapshot = replace(SNAPSHOT, domains=(domain,))
    assert site.get(f"/api/v1/domains/{quote(name, safe='').replace('.', '%2E')}").json()["name"] == name
    assert site.get("/api/v1/domains").json()[0]["name"] == name
    assert site.get("/metrics").status_code == 200


def test_a_domain_whose_label_has_slashes_is_explained(site: Site) -> None:
    label = "web-1@qemu:///system"
    site.snapshot = replace(SNAPSHOT, domains=(replace(DOMAIN_SNAPSHOT, label=label),))
    found = site.get(f"/api/v1/domains/{quote(label, safe='')}/explain")
    assert (found.status_code, found.json()["record"]["domain"]) == (200, "web-1")


def test_an_unknown_domain_is_a_sentence_and_not_found(site: Site) -> None:
    reply = site.get("/api/v1/domains/nobody")
    sentence = "no governed domain is called 'nobody': `autoscaler list` has those that are"
    assert (reply.status_code, reply.json()) == (404, {"error": sentence})


def test_decisions_come_from_the_journal(site: Site) -> None:
    assert [event["id"] for event in site.get("/api/v1/decisions").json()] == [1, 2, 3, 4, 5]
    assert [event["id"] for event in site.get("/api/v1/decisions?after=3&limit=1").json()] == [5]
    for nobody in ("nobody", "';DROP TABLE decisions"):
        answer = site.get(f"/api/v1/decisions?domain={nobody}")
        assert (answer.status_code, nobody in answer.text) == (404, True)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=many",
        "limit=1.5",
        "limit=",
        "after=-1",
        f"after={10**30}",
        f"after={'9' * 5000}",
        "after=x",
    ],
)
def test_figures_out_of_bounds_are_refused_with_a_sentence(site: Site, query: str) -> None:
    reply = site.get(f"/api/v1/decisions?{query}")
    assert reply.status_code == 400
    assert "'after'" in reply.json()["error"]


def test_a_journal_that_cannot_be_read_is_said_and_the_rest_is_served(tmp_path: Path) -> None:
    site = Site(tmp_path / "none")
    with closing(site):
        reply = site.get("/api/v1/decisions")
        assert reply.status_code == 503
        assert "cannot be read" in reply.json()["error"]
        assert site.get("/-/healthy").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/api/v1/domains",
        "/api/v1/domains/web-1",
        "/",
        "/live",
        "/domains/web-1",
        "/static/page.js",
    ],
)
def test_nothing_can_be_changed_here(site: Site, method: str, path: str) -> None:
    assert site.client.request(method, path).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/static/",
        "/static/../web.py",
        "/domains/web-1/etc",
        "/api/v1/domains/../../../etc/passwd",
        "/metrics/",
        "/api/v1/domains/",
        "/api/v1/status/",
        "/-/healthy/",
    ],
)
def test_there_is_nothing_else(site: Site, path: str) -> None:
    assert site.client.get(path, follow_redirects=False).status_code == 404


def test_a_client_that_says_nothing_does_not_hold_up_another(site: Site) -> None:
    with closing(socket.create_connection(site.server.address)):
        assert site.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"no HTTP\r\n\r\n"], id="from its first byte on"),
        pytest.param(
            [b"GET /-/ready HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\nz\r\n"], id="beside a request"
        ),
        pytest.param(
            [b"GET /-/ready HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n", b"z\r\n"],
            id="after its answer",
        ),
        pytest.param(
            [b"GET /live HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n", b"z\r\n"], id="within it"
        ),
        pytest.param(
            [b"GET / HTTP/1.1\r\n%sConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"], id="another protocol"
        ),
    ],
)
def test_what_is_no_http_ends_its_connection_and_says_nothing_in_the_log(
    site: Site, caplog: pytest.LogCaptureFixture, pieces: list[bytes]
) -> None:
    with closing(socket.create_connection(site.server.address, timeout=10)) as client:
        first, *others = (piece.replace(b"%s", b"Host: localhost\r\n") for piece in pieces)
        client.sendall(first)
        assert client.recv(1 << 20)
        with suppress(ConnectionError):  # It may be told what was wrong first, or only hung up on.
            for piece in others:
                client.sendall(piece)
                client.recv(1 << 20)
            client.shutdown(socket.SHUT_WR)
            while client.recv(1 << 20):
                pass
    assert site.get("/-/ready").status_code == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_who_asks_for_a_web_socket_is_answered_as_anybody_else(site: Site) -> None:
    asking = {"Connection": "upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    answer = site.client.get("/-/ready", headers=asking | {"Sec-WebSocket-Key": "bm90IGEgcmVhbCBrZXkhIQ=="})
    assert (answer.status_code, answer.text) == (200, "READY\n")


@pytest.mark.parametrize(
    "head", [b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "], ids=["line", "header"]
)
def test_a_head_without_end_is_refused_before_it_is_large(site: Site, head: bytes) -> None:
    with closing(socket.create_connection(site.server.address, timeout=10)) as client:
        client.sendall(head)
        sent = 0
        with suppress(ConnectionError):
            while sent < 64 << 20:
                sent += client.send(b"a" * 65536)
        assert sent < 16 << 20, "it takes whatever comes"
    assert site.get("/-/ready").status_code == 200


def test_a_body_is_not_kept_however_large_it_is(site: Site) -> None:
    piece, pieces = b"a" * (1 << 20), 64
    head = f"GET /-/ready HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(piece) * pieces}\r\n\r\n"
    with closing(socket.create_connection(site.server.address, timeout=10)) as client:
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        client.sendall(head.encode())
        for _ in range(pieces):
            client.sendall(piece)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before_kib + 16 * 1024


@pytest.mark.parametrize(("host", "written"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_an_address_is_told_as_a_browser_takes_it_and_so_is_one_that_is_taken(
    tmp_path: Path, host: str, written: str
) -> None:
    sources = Sources(
        newest=lambda: SNAPSHOT, registry=CollectorRegistry(), journal=tmp_path, healthy=lambda: None
    )
    with closing(WebServer(sources, host=host, port=0)) as server:
        port = server.address[1]
        server.start()
        assert server.url == f"http://{written}:{port}"
        assert httpx.get(f"{server.url}/-/healthy", trust_env=False).text == "OK\n"
        with pytest.raises(AddressTaken) as told:
            WebServer(sources, host=host, port=port)
    assert str(told.value).startswith(f"cannot listen on {written}:{port} (")
    assert f"ss -ltnp 'sport = :{port}'" in str(told.value)


def test_a_closed_server_frees_its_address(tmp_path: Path) -> None:
    site = Site(tmp_path / "none")
    site.get("/-/healthy")
    site.close()
    with closing(socket.socket()) as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(site.server.address)


def test_a_server_that_was_never_started_closes_all_the_same(tmp_path: Path) -> None:
    sources = Sources(
        newest=lambda: SNAPSHOT, registry=CollectorRegistry(), journal=tmp_path, healthy=lambda: None
    )
    WebServer(sources, host="127.0.0.1", port=0).close()


def test_a_domain_is_explained_from_the_journal_now_and_at_any_time(site: Site) -> None:
    found = site.get("/api/v1/domains/web-1/explain").json()
    assert found["record"]["reason"] == "demand-high"
    assert [step["stage"] for step in found["steps"]] == ["signals", "action", "outcome"]
    earlier = site.get("/api/v1/domains/web-1/explain?at=1002.5").json()
    assert earlier["record"]["target"] == 2
    assert site.get(f"/api/v1/domains/{DOMAIN.uuid}/explain?at=1002.5").json() == earlier


def test_an_old_record_is_told_to_be_one(site: Site) -> None:
    long_after = site.get("/api/v1/domains/web-1/explain?at=999999").json()
    assert "the last before it" in long_after["note"]
    site.snapshot = replace(SNAPSHOT, domains=(), ungoverned=(VIEW,))
    found = site.get("/api/v1/domains/web-1/explain").json()
    assert found["record"]["reason"] == "demand-high"
    assert "no policy governs it" in found["note"]
    assert found["note"].endswith("this is the last on record")


def test_an_explanation_of_now_tells_what_the_last_tick_saw_though_it_is_not_written_yet(site: Site) -> None:
    decision = replace(GROWTH, load=replace(LOAD, online=1, busy_vcpus=0.9, demand_vcpus=0.9))
    site.snapshot = replace(SNAPSHOT, domains=(replace(DOMAIN_SNAPSHOT, decision=decision),))
    found = site.get("/api/v1/domains/web-1/explain").json()
    assert "0.90 of 1 vCPU" in found["steps"][0]["text"]


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        pytest.param("nobody/explain", 404, "'nobody'", id="unknown domain"),
        pytest.param("web-1/explain?at=1", 404, "before that time", id="before the record"),
        pytest.param("web-1/explain?at=soon", 400, "seconds since the epoch", id="no time"),
        pytest.param("web-1/explain?at=nan", 400, "seconds since the epoch", id="no number"),
    ],
)
def test_what_cannot_be_explained_says_why(site: Site, path: str, status: int, sentence: str) -> None:
    answer = site.get(f"/api/v1/domains/{path}")
    assert answer.status_code == status
    assert sentence in answer.json()["error"]
