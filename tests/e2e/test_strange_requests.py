"""Random requests to the service and to the actuator, as processes, over real sockets.

Whatever comes, none is answered by a fault of the server's own, no traceback is in the log, and the process
holds no more afterwards than before. What is drawn is the same in every run. Hypothesis draws it, which
schemathesis is built on: that itself works from a schema, and pages and the actuator's lines have none.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from autoscaler.backends.actuator.protocol import KEYS, KEYS_OF_READING, Reading, Verb
from autoscaler.backends.connection import Connection, LibvirtConnection, QmpFolderConnection
from tests.fakes.footprint import footprint, settled
from tests.fakes.running_actuator import running_actuator
from tests.fakes.running_service import running_service
from tests.fakes.scripted_agent import ScriptedAgent
from tests.fakes.scripted_guest import ScriptedGuest
from tests.fakes.scripted_qmp import ScriptedQmp

PATIENCE_S = 20.0
LISTENED_S = 0.05
"""How long is waited for more of an answer: some have no end, and some requests get none."""
MOST_GROWTH_KIB = 2048
"""What the second barrage may add: far less than its connections would, were they kept."""
MOST_LINES = 50
"""Of a log: what was asked is none of its business."""
DRAWN = settings(deadline=None, database=None, max_examples=600)
UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"
"""That of the one domain of libvirt's test driver, and of the guest that stands for a QEMU."""

WORDS = st.text(max_size=12)
NAMES = st.just("web") | st.sampled_from([UUID, "%00", "..", "a" * 5000]) | WORDS.map(quote)
EDGES = st.sampled_from(["1", "-1", "1000", f"{1 << 63}", f"{1 << 64}", "9" * 5000])
NUMBERS = EDGES | EDGES | st.integers(-(1 << 70), 1 << 70).map(str) | st.floats().map(str)
TEXTS = st.sampled_from(["web", "1h", "' OR 1 --", "%ff%fe"]) | WORDS.map(quote)
QUERIES = {
    "/": {"sort": TEXTS},
    "/live": {},
    "/domains/{}": {"span": TEXTS},
    "/domains/{}/live": {"span": TEXTS},
    "/static/{}": {},
    "/metrics": {"name[]": TEXTS},
    "/-/healthy": {},
    "/-/ready": {},
    "/api/v1/status": {},
    "/api/v1/domains": {},
    "/api/v1/domains/{}": {},
    "/api/v1/domains/{}/explain": {"at": NUMBERS},
    "/api/v1/decisions": {"after": NUMBERS, "limit": st.just("10") | NUMBERS, "domain": TEXTS},
    "/{}": {"{}": TEXTS},
}
"""By page: what may be asked of it."""


def targets(page: str) -> st.SearchStrategy[str]:
    """A page with some name in its path, and some of its queries."""
    query = st.fixed_dictionaries({}, optional=QUERIES[page]).map(
        lambda values: "&".join(f"{key}={value}" for key, value in values.items())
    )
    return st.builds(lambda name, query: f"{page.format(name)}?{query}", NAMES, query)


HEADERS = st.lists(
    st.sampled_from(
        [
            "Accept: application/openmetrics-text; version=1.0.0",
            "Accept: ;;q=,,",
            "Accept-Encoding: gzip;q=x",
            "Authorization: Basic !",
            "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x",
            "Content-Length: -1",
            "Content-Length: 5",
            "Expect: 100-continue",
            "If-None-Match: *",
            "Last-Event-ID: 9999999999999999999",
            "Range: bytes=5-1",
            "Transfer-Encoding: chunked",
            f"X: {'y' * 20_000}",
        ]
    )
    | WORDS,
    max_size=3,
)
TARGETS = st.sampled_from([*QUERIES, *["/api/v1/decisions"] * 4]).flatmap(targets)
END_OF_PLAIN = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PLAIN = TARGETS.map(lambda target: f"GET {target}".encode() + END_OF_PLAIN)
STRANGE = st.builds(
    lambda method, target, host, headers, body: "\r\n".join(
        [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", body]
    ).encode(),
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "CONNECT", "BREW"]),
    TARGETS,
    st.sampled_from(["localhost", "localhost", "", "evil.example"]),
    HEADERS,
    WORDS | st.sampled_from(["5\r\nhello\r\n0\r\n\r\n", "fffffffffffff\r\n"]),
)
FIELDS: dict[str, st.SearchStrategy[object]] = {
    "what": st.sampled_from(list(Reading)),
    "host": st.just("here"),
    "uuid": st.just(UUID),
    "expect": st.integers(1, 4),
    "target": st.integers(0, 9),
    "pressure": st.booleans(),
}
FORMS = [(Verb.READ, keys) for keys in KEYS_OF_READING.values()] + list(KEYS.items())
KEYS_OF_ORDERS = st.sampled_from(["verb", *FIELDS])
WRONG = st.one_of(*FIELDS.values(), st.none(), WORDS, st.integers(), st.floats(), st.lists(WORDS, max_size=2))
RIGHT = st.sampled_from(FORMS).flatmap(
    lambda form: st.fixed_dictionaries({"verb": st.just(form[0]), **{key: FIELDS[key] for key in form[1]}})
)
ORDERS = (
    RIGHT
    | st.builds(lambda order, key, value: {**order, key: value}, RIGHT, KEYS_OF_ORDERS, WRONG)
    | st.dictionaries(KEYS_OF_ORDERS | WORDS, WRONG)
)


def mangled(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Some of it left out and bytes put in, or nothing but bytes."""

    def spliced(text: bytes, at: int, put: bytes, dropped: int) -> bytes:
        at %= len(text) + 1
        return text[:at] + put + text[at + dropped :]

    cut = st.builds(spliced, whole, st.integers(0, 5000), st.binary(max_size=8), st.integers(0, 40))
    return cut | st.binary(max_size=200)


def answer_to(text: bytes, *, at: str | tuple[str, int], within_s: float = LISTENED_S) -> bytes:
    """Send it, read what is answered for as long as something comes, and hang up.

    Args:
        text: what is sent.
        at: the socket.
        within_s: when an answer begins; longer for what has to have one.
    """
    answer = b""
    with socket.socket(socket.AF_UNIX if isinstance(at, str) else socket.AF_INET) as peer:
        peer.settimeout(PATIENCE_S)
        peer.connect(at)
        with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
            peer.sendall(text)
            peer.settimeout(within_s)
            while len(answer) < 1 << 20 and (chunk := peer.recv(1 << 16)):
                answer += chunk
                peer.settimeout(LISTENED_S)
    return answer


def assert_it_holds_no_more_after(barrage: Callable[[], None], pid: int) -> None:
    """The first barrage fills what is kept once for all, the second adds nothing."""
    seed(1)(barrage)()
    first = footprint(pid)
    seed(2)(barrage)()
    second = settled(pid, threads=first.threads, descriptors=first.descriptors)
    assert second.threads <= first.threads, (first, second)
    assert second.descriptors <= first.descriptors, (first, second)
    assert second.resident_kib < first.resident_kib + MOST_GROWTH_KIB, (first, second)


@pytest.fixture
def guests() -> Iterator[Path]:
    """A folder with one guest, `web`, of 2 of 8 vCPUs."""
    folder = Path(tempfile.mkdtemp(prefix="odd-"))
    home = folder / "guests" / "web"
    home.mkdir(parents=True)
    guest = ScriptedGuest(present=2, online={0, 1})
    with (
        ScriptedQmp(path=home / "qmp.sock", uuid=UUID, plugged_at_boot=2, maximum=8),
        ScriptedAgent(path=home / "agent.sock", guest=guest),
    ):
        yield folder / "guests"
    shutil.rmtree(folder)


def test_no_request_makes_the_web_server_fail_or_grow(guests: Path, tmp_path: Path) -> None:
    statuses: set[int] = set()
    with running_service(tmp_path, f"qmp: {guests}") as service:
        service.wait_for("web", lambda _: True)

        @DRAWN
        @given(PLAIN | PLAIN | STRANGE | mangled(STRANGE))
        def barrage(request: bytes) -> None:
            plain = request.startswith(b"GET /") and request.endswith(END_OF_PLAIN)
            address = ("127.0.0.1", service.port)
            answer = answer_to(request, at=address, within_s=PATIENCE_S if plain else LISTENED_S)
            assert answer or not plain
            if answer.startswith(b"HTTP/1.1 "):
                statuses.add(int(answer[9:12]))

        assert_it_holds_no_more_after(barrage, service.process.pid)
        assert service.wait_for("web", lambda _: True)["name"] == "web"
        assert service.stop() == 0
    # What was drawn reaches pages, and is refused for more than one reason.
    assert {200, 400, 404} <= statuses
    assert max(statuses) < 500
    log = service.log.read_text()
    assert "Traceback" not in log
    assert log.count("\n") < MOST_LINES


@pytest.mark.parametrize("over", ["qmp", "libvirt"])
def test_no_request_makes_the_actuator_fail_or_grow(guests: Path, over: str) -> None:
    kinds: set[object] = set()
    connection: Connection = QmpFolderConnection(guests)
    if over == "libvirt":
        connection = LibvirtConnection("test:///default")
    with running_actuator(connection, timeout_s=0.5) as actuator:
        orders = ORDERS.map(
            lambda order: json.dumps(order).replace('"here"', json.dumps(connection.label)).encode() + b"\n"
        )

        @DRAWN
        @given(orders | orders | mangled(orders))
        def barrage(request: bytes) -> None:
            answer = answer_to(
                request,
                at=os.fspath(actuator.socket),
                within_s=PATIENCE_S if request.endswith(b"}\n") else LISTENED_S,
            )
            if answer:
                kinds.add(json.loads(answer).get("kind"))

        assert_it_holds_no_more_after(barrage, actuator.process.pid)
        asked = json.dumps({"verb": "read", "what": "domains", "host": connection.label})
        assert json.loads(answer_to(asked.encode() + b"\n", at=os.fspath(actuator.socket)))["ok"]
        said = actuator.said()
    assert {None, "AutoscalerError", "Conflict"} <= kinds
    assert "Traceback" not in said
