"""Who is let in to the web server: TLS, client certificates, passwords and names, over real connections."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import bcrypt
import httpx
import pytest
from prometheus_client import CollectorRegistry

from autoscaler.errors import AutoscalerError
from autoscaler.service import patient, tls, web_rules
from autoscaler.service.metrics import SnapshotCollector
from autoscaler.service.web import Sources
from autoscaler.service.web_server import WebServer
from tests.fakes.certificates import Authority, hashed
from tests.fakes.examples import SNAPSHOT

PATIENCE_S = 20.0
TLS = "tls_server_config: {cert_file: web.crt, key_file: web.key}\n"
ALICE = f"basic_auth_users: {{alice: {hashed('s3cret')}}}\n"
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_rules, "LOOK_EVERY_S", 0.02)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path)
    authority.sign("web")
    return authority


@contextmanager
def served(
    folder: Path, text: str | None, *, host: str = "127.0.0.1", hosts: Sequence[str] = ()
) -> Iterator[WebServer]:
    """A server with such a file, or with none."""
    path = folder / "web.yaml"
    if text is not None:
        path.write_text(text)
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: SNAPSHOT))
    sources = Sources(newest=lambda: SNAPSHOT, registry=registry, journal=folder, healthy=lambda: None)
    server = WebServer(sources, host=host, port=0, config_file=None if text is None else path, hosts=hosts)
    with closing(server):
        server.start()
        yield server


def client(server: WebServer, verify: ssl.SSLContext | bool = False, **more: object) -> httpx.Client:  # noqa: FBT001, FBT002 - httpx has it so
    return httpx.Client(base_url=server.url, verify=verify, trust_env=False, timeout=PATIENCE_S, **more)  # type: ignore[arg-type]


def wait(until: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def serial_of(server: WebServer) -> str:
    """Which certificate is shown to whoever connects now."""
    return ssl.get_server_certificate(server.address)


def is_over(connection: socket.socket) -> bool:
    connection.settimeout(PATIENCE_S)
    with suppress(ConnectionError, ssl.SSLError):
        while connection.recv(1 << 16):
            pass
    return True


def test_over_tls_everything_is_answered_to_whom_trusts_the_authority(
    tmp_path: Path, authority: Authority
) -> None:
    with served(tmp_path, TLS) as server:
        assert server.url.startswith("https://")
        with client(server, authority.trusting()) as trusting:
            assert trusting.get("/-/healthy").text == "OK\n"
            assert trusting.get("/metrics").status_code == 200
            assert trusting.get("/").status_code == 200
            with trusting.stream("GET", "/live?after=0") as live:
                assert next(live.iter_lines()).startswith("retry")
        with client(server, ssl.create_default_context()) as doubting, pytest.raises(httpx.ConnectError):
            doubting.get("/-/healthy")
        with (
            httpx.Client(base_url=server.url.replace("https", "http"), trust_env=False) as plain,
            pytest.raises(httpx.HTTPError),
        ):
            plain.get("/-/healthy")


def test_no_older_tls_is_spoken(tmp_path: Path, authority: Authority) -> None:
    with served(tmp_path, TLS.replace("}", ", min_version: TLS13}")) as server:
        old = authority.trusting()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with client(server, old) as refused, pytest.raises(httpx.ConnectError):
            refused.get("/-/healthy")
        with client(server, authority.trusting()) as new:
            assert new.get("/-/healthy").status_code == 200


def test_without_a_certificate_of_the_authority_nobody_is_let_in(
    tmp_path: Path, authority: Authority
) -> None:
    (tmp_path / "elsewhere").mkdir()
    stranger = Authority(tmp_path / "elsewhere").sign("stranger")
    text = TLS.replace("}", ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem}")
    with served(tmp_path, text) as server:
        for shown in (None, stranger):
            with client(server, authority.trusting(shown)) as refused, pytest.raises(httpx.TransportError):
                refused.get("/-/healthy")
        with client(server, authority.trusting(authority.sign("friend"))) as friend:
            assert friend.get("/-/healthy").text == "OK\n"


def test_a_renewed_certificate_is_shown_without_a_restart_and_no_connection_is_lost(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with served(tmp_path, TLS) as server, client(server, authority.trusting()) as kept:
        assert kept.get("/-/healthy").status_code == 200
        before = serial_of(server)
        authority.sign("web")
        wait(lambda: serial_of(server) != before)
        assert serial_of(server) == (tmp_path / "web.crt").read_text().replace("\r", "")
        assert kept.get("/-/healthy").status_code == 200
        assert "reloaded" in caplog.text
        assert server.troubles == {}


@pytest.mark.parametrize(
    "breaking",
    [
        pytest.param(lambda folder: (folder / "web.yaml").write_text("tls_server_config: {"), id="file"),
        pytest.param(lambda folder: (folder / "web.yaml").unlink(), id="no file"),
        pytest.param(lambda folder: (folder / "web.crt").write_text("none"), id="certificate"),
        pytest.param(lambda folder: (folder / "web.key").unlink(), id="no key"),
    ],
)
def test_a_broken_new_file_keeps_the_old_one_and_says_so_until_it_is_mended(
    tmp_path: Path,
    authority: Authority,
    breaking: Callable[[Path], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with served(tmp_path, TLS + ALICE) as server:
        before = serial_of(server)
        breaking(tmp_path)
        wait(lambda: "web" in server.troubles)
        assert f"`autoscaler check {tmp_path}/web.yaml`" in server.troubles["web"]
        assert f"{tmp_path}/web.yaml:" in caplog.text
        time.sleep(0.2)
        assert caplog.text.count(f"{tmp_path}/web.yaml:") == 1
        assert serial_of(server) == before
        with client(server, authority.trusting()) as asking:
            assert asking.get("/-/healthy").status_code == 401
            assert asking.get("/-/healthy", auth=("alice", "s3cret")).status_code == 200
        (tmp_path / "web.yaml").write_text(TLS)
        authority.sign("web")
        wait(lambda: server.troubles == {})
        assert serial_of(server) != before


def test_a_file_that_became_blank_lets_nobody_in_and_one_that_says_so_does(tmp_path: Path) -> None:
    with served(tmp_path, ALICE) as server, client(server) as asking:
        (tmp_path / "web.yaml").write_text("")
        wait(lambda: "is blank; write {} into it" in server.troubles.get("web", ""))
        assert asking.get("/-/healthy").status_code == 401
        (tmp_path / "web.yaml").write_text("# Everybody may ask.\n")
        wait(lambda: asking.get("/-/healthy").status_code == 200)
        assert server.troubles == {}
    with served(tmp_path, "") as server, client(server) as asking:
        assert asking.get("/-/healthy").status_code == 200


class Stumbling(web_rules.WebRules):
    """Rules whose reading fails in a way that nobody thought of, as long as `reason` is set."""

    reason = ""

    def look(self) -> None:
        super().look()
        if self.reason:
            raise RuntimeError(self.reason)


def test_a_failure_that_nobody_thought_of_is_a_trouble_and_looking_goes_on(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "web.yaml"
    path.write_text(TLS)
    rules = Stumbling(path)
    loop = asyncio.new_event_loop()
    following = threading.Thread(target=loop.run_forever)
    following.start()
    try:
        task = asyncio.run_coroutine_threadsafe(rules.follow(), loop)
        rules.reason = "no thread is left"
        wait(lambda: "the log tells why" in rules.troubles.get("web", ""))
        time.sleep(0.1)
        assert caplog.text.count("RuntimeError: no thread is left") == 1
        rules.reason = ""
        wait(lambda: rules.troubles == {})
        before = rules.config
        authority.sign("web")
        wait(lambda: rules.config is not before)
        task.cancel()
        wait(task.done)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        following.join()
        loop.close()


def test_a_server_does_not_start_with_a_broken_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AutoscalerError, match="autoscaler check"), served(tmp_path, TLS):
        pass
    assert "1:32: " in caplog.text


def test_tls_and_passwords_can_be_begun_and_ended_while_it_runs(tmp_path: Path, authority: Authority) -> None:
    with served(tmp_path, "http_server_config: {http2: false}\n") as server:
        with client(server) as plain:
            assert plain.get("/-/healthy").status_code == 200
            (tmp_path / "web.yaml").write_text(ALICE)
            wait(lambda: plain.get("/-/healthy").status_code == 401)
        (tmp_path / "web.yaml").write_text(TLS)

        def speaks_tls() -> bool:
            url = server.url.replace("http:", "https:")
            with suppress(httpx.TransportError):
                return httpx.get(f"{url}/-/healthy", verify=authority.trusting()).status_code == 200
            return False

        wait(speaks_tls)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (("alice", "s3cret"), 200),
        (("alice", "S3cret"), 401),
        (("alice", ""), 401),
        (("bob", "s3cret"), 401),
        (("", "s3cret"), 401),
        (("alice", "s3cret\0x"), 401),
        (("alice", "x" * 5000), 401),
        (None, 401),
    ],
)
def test_only_a_right_password_lets_in_and_a_second_time_as_well(
    tmp_path: Path, given: tuple[str, str] | None, status: int
) -> None:
    with served(tmp_path, ALICE) as server, client(server) as asking:
        for path in ("/metrics", "/", "/api/v1/status", "/static/page.js", "/nowhere", "/metrics"):
            answer = asking.get(path, auth=given)
            assert answer.status_code == (404 if (status, path) == (200, "/nowhere") else status)
        if status == 401:
            assert answer.headers["www-authenticate"].startswith("Basic ")
            assert "vcpu_" not in answer.text


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic !!!", "Basic YWxpY2U=", "Bearer x", "Basic /w==", "basic", "Basic OnMzY3JldA=="],
)
def test_what_is_no_name_and_password_lets_nobody_in(tmp_path: Path, header: str) -> None:
    with served(tmp_path, ALICE) as server, client(server) as asking:
        assert asking.get("/metrics", headers={"authorization": header}).status_code == 401


def test_a_password_that_was_changed_lets_in_no_more(tmp_path: Path) -> None:
    with served(tmp_path, ALICE) as server, client(server, auth=("alice", "s3cret")) as asking:
        assert asking.get("/-/healthy").status_code == 200
        (tmp_path / "web.yaml").write_text(f"basic_auth_users: {{alice: {hashed('other')}}}\n")
        wait(lambda: asking.get("/-/healthy").status_code == 401)


def test_a_flood_of_wrong_passwords_locks_out_nobody_who_was_let_in_and_delays_nothing(
    tmp_path: Path,
) -> None:
    dear = bcrypt.hashpw(b"s3cret", bcrypt.gensalt(12)).decode()
    with served(tmp_path, f"basic_auth_users: {{alice: {dear}}}\n") as server, client(server) as asking:
        known = ("alice", "s3cret")
        assert asking.get("/metrics", auth=known).status_code == 200
        over, told = threading.Event(), set[int]()

        def flood(number: int) -> None:
            with client(server) as wrong:
                while not over.is_set():
                    told.add(
                        wrong.get("/metrics", auth=("alice", f"{number}-{time.monotonic()}")).status_code
                    )

        with ThreadPoolExecutor(30) as many:
            for number in range(30):
                many.submit(flood, number)
            try:
                wait(lambda: 503 in told)
                took_s = list[float]()
                for _ in range(20):
                    started_s = time.monotonic()
                    assert asking.get("/metrics", auth=known).status_code == 200
                    took_s.append(time.monotonic() - started_s)
            finally:
                over.set()
        assert told <= {401, 503}
        # By far less than the sixteen checks that wait would take.
        assert sorted(took_s)[10] < 1.0


def test_five_hundred_idle_tls_connections_do_not_delay_a_scrape(
    tmp_path: Path, authority: Authority
) -> None:
    with served(tmp_path, TLS) as server, ExitStack() as held:
        context = authority.trusting()

        def connect() -> ssl.SSLSocket:
            plain = socket.create_connection(server.address, timeout=PATIENCE_S)
            return context.wrap_socket(plain, server_hostname="localhost")

        def scrape_s() -> float:
            started_s = time.monotonic()
            with closing(connect()) as scraping:
                scraping.sendall(SCRAPE)
                assert scraping.recv(1 << 16).startswith(b"HTTP/1.1 200")
            return time.monotonic() - started_s

        alone_s = min(scrape_s() for _ in range(5))
        for _ in range(500):
            held.enter_context(closing(connect()))
        assert min(scrape_s() for _ in range(5)) < alone_s + 0.05


def test_handshakes_that_are_not_ended_are_cut_in_time_and_keep_nobody_out(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_WITHIN_S", 4)
    monkeypatch.setattr(tls, "MOST_HANDSHAKES", 4)
    with served(tmp_path, TLS) as server, ExitStack() as held, client(server, authority.trusting()) as asking:
        silent = [
            held.enter_context(closing(socket.create_connection(server.address, PATIENCE_S)))
            for _ in range(8)
        ]
        started_s = time.monotonic()
        assert is_over(silent[0])
        assert time.monotonic() - started_s < 3.0
        assert asking.get("/-/healthy").status_code == 200
        assert all(map(is_over, silent))


def test_over_tls_a_request_that_trickles_is_cut_as_well(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient, "ASK_WITHIN_S", 0.5)
    with served(tmp_path, TLS) as server:
        plain = socket.create_connection(server.address, timeout=PATIENCE_S)
        with closing(authority.trusting().wrap_socket(plain, server_hostname="localhost")) as slow:
            end_s = time.monotonic() + PATIENCE_S
            with suppress(OSError):
                while True:
                    assert time.monotonic() < end_s, "it is let send for ever"
                    slow.sendall(b"G")
                    time.sleep(0.05)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:9752", 200),
        ("127.0.0.1:9752", 200),
        ("[::1]:9752", 200),
        ("10.0.0.1", 200),
        (socket.gethostname(), 200),
        ("vcpu.example.net", 200),
        ("vcpu.example.net.:443", 200),
        ("evil.example", 421),
        ("evil.example:9752", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
    ],
)
def test_on_loopback_only_the_names_of_this_service_are_answered(
    tmp_path: Path, asked: str, status: int
) -> None:
    with served(tmp_path, None, hosts=("vcpu.example.net",)) as server, client(server) as asking:
        answer = asking.get("/api/v1/status", headers={"host": asked})
        assert answer.status_code == status
        if status == 421:
            assert "web.hosts" in answer.json()["error"]


def test_where_other_hosts_connect_any_name_is_answered_unless_names_are_configured(tmp_path: Path) -> None:
    for hosts, status in ((), 200), (("vcpu.example.net",), 421):
        with served(tmp_path, None, host="0.0.0.0", hosts=hosts) as server, client(server) as asking:
            assert asking.get("/-/healthy", headers={"host": "any.example"}).status_code == status


@contextmanager
def raw(server: WebServer, authority: Authority) -> Iterator[socket.socket]:
    """A connection on which any bytes can be sent, by TLS where the server speaks that."""
    with ExitStack() as stack:
        connection = stack.enter_context(
            closing(socket.create_connection(server.address, timeout=PATIENCE_S))
        )
        if server.url.startswith("https"):
            context = authority.trusting()
            connection = stack.enter_context(
                closing(context.wrap_socket(connection, server_hostname="localhost"))
            )
        yield connection


def answers(connection: socket.socket, request: str) -> bytes:
    """All that is sent until the connection is closed."""
    connection.sendall(request.encode())
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.mark.parametrize("text", [pytest.param("{}\n", id="plain"), pytest.param(TLS, id="TLS")])
@pytest.mark.parametrize(
    ("target", "host", "status", "content"),
    [
        ("http://localhost:9752/-/healthy", "localhost:9752", 200, b"OK\n"),
        ("HTTP://127.0.0.1/-/healthy", "127.0.0.1", 200, b"OK\n"),
        ("https://[::1]:9752/-/healthy", "[::1]:9752", 200, b"OK\n"),
        ("http://vcpu.example.net/-/healthy", "vcpu.example.net", 200, b"OK\n"),
        ("http://localhost/api/v1/domains/web%2D1?x=http://evil.example/", "localhost", 200, b'"web-1"'),
        ("http://localhost?x", "localhost", 200, b"<!doctype html>"),
        ("http://localhost/nowhere", "localhost", 404, b""),
        ("http://evil.example:9752/-/healthy", "evil.example:9752", 421, b"web.hosts"),
        ("http://evil.example:9752/-/healthy", "localhost", 421, b"web.hosts"),
        ("http://localhost:9752/-/healthy", "evil.example", 421, b"web.hosts"),
        ("http://local%68ost/-/healthy", "localhost", 421, b"web.hosts"),
        ("http:///-/healthy", "localhost", 400, b"http://HOST"),
        ("http://localhost@evil.example/-/healthy", "localhost", 400, b"http://HOST"),
        ("ftp://localhost/-/healthy", "localhost", 404, b""),
    ],
)
def test_a_whole_address_is_answered_as_its_path_is_where_it_names_this_service(
    tmp_path: Path, authority: Authority, text: str, target: str, host: str, status: int, content: bytes
) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    with served(tmp_path, text, hosts=("vcpu.example.net",)) as server, raw(server, authority) as connection:
        answer = answers(connection, request)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert content in answer


@pytest.mark.parametrize("text", [pytest.param("{}\n", id="plain"), pytest.param(TLS, id="TLS")])
@pytest.mark.parametrize(
    "start",
    ["POST /metrics", "POST /-/healthy", "GET /-/healthy", "GET http://localhost/-/healthy", "GET /nowhere"],
)
def test_a_request_that_states_its_length_twice_is_the_last_of_its_connection(
    tmp_path: Path, authority: Authority, text: str, start: str
) -> None:
    smuggled = "GET /-/ready HTTP/1.1\r\nHost: localhost\r\n\r\n"
    request = (
        f"{start} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {5 + len(smuggled)}\r\n"
        f"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    )
    with served(tmp_path, text) as server, raw(server, authority) as connection:
        answer = answers(connection, request)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in answer.lower()
    assert b"READY" not in answer


def test_a_request_that_states_its_length_once_leaves_its_connection_open(
    tmp_path: Path, authority: Authority
) -> None:
    second = "GET /-/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for framing, body in (
        ("Content-Length: 2", "ab"),
        ("Transfer-Encoding: chunked", "2\r\nab\r\n0\r\n\r\n"),
    ):
        request = f"POST /metrics HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n{body}{second}"
        with served(tmp_path, None) as server, raw(server, authority) as connection:
            answer = answers(connection, request)
        assert answer.count(b"HTTP/1.1 ") == 2
        assert b"READY" in answer


def test_configured_headers_are_on_every_answer_in_place_of_its_own(tmp_path: Path) -> None:
    headers = "Content-Security-Policy: default-src 'self', X-Frame-Options: deny"
    text = f"http_server_config: {{headers: {{{headers}}}}}\n"
    with served(tmp_path, text) as server, client(server) as asking:
        for path in ("/", "/metrics", "/nowhere"):
            found = asking.get(path).headers
            assert found.get_list("content-security-policy") == ["default-src 'self'"]
            assert found["x-frame-options"] == "deny"


def test_beyond_the_rate_limit_requests_are_refused_and_later_let_in(tmp_path: Path) -> None:
    with served(tmp_path, "rate_limit: {interval: 500ms, burst: 3}\n") as server, client(server) as asking:
        told = [asking.get("/-/healthy").status_code for _ in range(4)]
        assert told == [200, 200, 200, 429]
        wait(lambda: asking.get("/-/healthy").status_code == 200)


@pytest.mark.parametrize(
    ("text", "warning"),
    [(TLS, "lets everybody in"), (ALICE, "over the network as they are"), (TLS + ALICE, "")],
    ids=["TLS alone", "passwords alone", "both"],
)
def test_what_other_hosts_may_do_unguarded_is_warned_of(
    tmp_path: Path, authority: Authority, text: str, warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert authority.file.exists()
    with served(tmp_path, text, host="0.0.0.0"):
        assert warning in caplog.text
        assert bool(warning) is bool(caplog.text)
    caplog.clear()
    with served(tmp_path, text):
        assert caplog.text == ""
