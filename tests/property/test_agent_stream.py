"""Whatever a guest sends, the client ends in step or in an error of the port, and in bounded time."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.backends.address import UnixAddress
from autoscaler.backends.agent.connection import AgentConnection
from autoscaler.backends.agent.deadline import Deadline
from autoscaler.backends.agent.proc_stat import parse_id_list, parse_proc_stat
from autoscaler.backends.agent.wire import DEPTH, MalformedReply, decode_json, decode_reply
from autoscaler.errors import AgentNonsense
from tests.fakes.examples import VIEW

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNED = st.integers(min_value=-(2**63), max_value=2**63 - 1)
SCALARS = st.none() | st.booleans() | SIGNED | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
PIECES = st.sampled_from(
    [b'{"return": ', b"}", b"[", b'"', b"\\", b"\\u", b"d800", b"NaN", b"9" * 30, b"\xff"]
)
ALMOST_JSON = st.lists(PIECES | st.binary(max_size=4), max_size=30).map(b"".join)
STALE = st.one_of(
    st.binary(max_size=300),
    st.just(b"\xff"),
    st.integers(0, 2**31 - 1).map(lambda number: b'\xff{"return": %d}\n' % number),
    VALUES.map(lambda value: json.dumps({"return": value}).encode() + b"\n"),
)


@given(VALUES)
def test_what_an_agent_may_send_is_decoded_to_what_it_meant(value: object) -> None:
    assert decode_reply(json.dumps({"return": value}), domain=VIEW.named) == value


@given(st.binary() | ALMOST_JSON)
def test_whatever_is_sent_is_a_value_or_an_error_of_the_port(data: bytes) -> None:
    try:
        value = decode_json(data)
    except MalformedReply:
        with pytest.raises(AgentNonsense):
            decode_reply(data, domain=VIEW.named)
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@given(st.integers(DEPTH + 1, 3 * DEPTH), st.text(alphabet='[]{}"\\', max_size=50))
def test_no_text_beside_it_hides_nesting_too_deep(depth: int, text: str) -> None:
    data = f"[{json.dumps(text)}, {'[' * depth}{']' * depth}]"
    with pytest.raises(MalformedReply, match="nests"):
        decode_json(data)


@pytest.mark.parametrize("parse", [parse_proc_stat, parse_id_list])
@given(content=st.binary() | st.text(alphabet="cpu 0123456789-,\n", max_size=80).map(str.encode))
def test_whatever_a_file_holds_is_read_or_not_believed(parse: Callable[..., object], content: bytes) -> None:
    with suppress(AgentNonsense):
        parse(content, domain_name="web-1")


@given(st.sets(st.integers(0, 4095), max_size=40))
def test_an_id_list_gives_the_ids_that_it_lists(ids: set[int]) -> None:
    text = ",".join(map(str, sorted(ids)))
    assert parse_id_list(f"{text}\n".encode(), domain_name="web-1") == ids


@settings(max_examples=60, deadline=None)
@given(stale=st.lists(STALE, max_size=6))
def test_whatever_was_left_in_the_stream_the_first_answer_is_to_the_first_question(
    stale: list[bytes],
) -> None:
    ours, theirs = socket.socketpair()
    left_over = b"".join(stale)

    def agent() -> None:
        with theirs, theirs.makefile("rb") as requests:
            theirs.sendall(left_over)
            sync = json.loads(requests.readline().removeprefix(b"\xff"))
            theirs.sendall(b'\xff{"return": %d}\n' % sync["arguments"]["id"])
            requests.readline()
            theirs.sendall(b'{"return": "the answer"}\n')

    answering = threading.Thread(target=agent)
    answering.start()
    connection = AgentConnection(ours, UnixAddress("/nowhere"))
    try:
        connection._sync(Deadline.after(5))
        assert connection.exchange(b"{}\n", Deadline.after(5)) == b'{"return": "the answer"}'
    finally:
        connection.close()
        answering.join()
