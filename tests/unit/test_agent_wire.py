from __future__ import annotations

import json

import pytest

from autoscaler.backends.agent.wire import (
    DEPTH,
    REPLY_BYTES,
    decode_json,
    decode_reply,
    encode_request,
    printable,
)
from autoscaler.core.named import Named
from autoscaler.errors import (
    AgentBlocked,
    AgentError,
    AgentNonsense,
    AgentRefused,
    AutoscalerError,
    DomainFrozen,
)
from tests.fakes.examples import VIEW


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param(b"", "no JSON", id="nothing"),
        pytest.param(b"\x00{]garbage", "no JSON", id="garbage"),
        pytest.param(b'{"return": {"a": 1', "no JSON", id="half a reply"),
        pytest.param(b'{"return": 1} {"return": 2}', "no JSON", id="two replies"),
        pytest.param(b'{"return": "\xc3\x28"}', "no UTF-8", id="bad UTF-8"),
        pytest.param(b'\xff{"return": 1}', "no UTF-8", id="0xFF"),
        pytest.param(b'{"return": "\\ud800"}', "surrogate", id="half a surrogate pair"),
        pytest.param(b'{"return": NaN}', "NaN", id="NaN"),
        pytest.param(b'{"return": -Infinity}', "-Infinity", id="infinity"),
        pytest.param(b'{"return": 1e999}', "beyond all bounds", id="a float that overflows"),
        pytest.param(b'{"return": ' + b"9" * 5000 + b"}", "integer of 5000 digits", id="5000 digits"),
        pytest.param(b'{"return": "' + b"x" * REPLY_BYTES + b'"}', "over 256 KiB", id="too long"),
        pytest.param(('{"return": ' + nested(DEPTH) + "}").encode(), "nests over 32", id="one too deep"),
        pytest.param(b'{"return": ' + b"[" * 200_000, "nests over 32", id="200000 deep"),
        pytest.param(b'{"a":' * 40_000, "nests over 32", id="objects 40000 deep"),
        pytest.param(b'["' + b'\\"' * 100_000 + b"[" * 40, "no JSON", id="a string without end"),
        pytest.param(b"[]", "neither a result nor an error", id="no object"),
        pytest.param(b'{"event": "X"}', "neither a result nor an error", id="neither"),
        pytest.param(b'{"return": 1, "error": {}}', "neither a result nor an error", id="both"),
        pytest.param(b'{"error": "x"}', "neither a result nor an error", id="an error that is no object"),
        pytest.param(b'{"error": {"class": 1, "desc": "x"}}', "no class", id="a class that is no text"),
        pytest.param(
            b'{"error": {"class": "GenericError"}}', "no class and description", id="no description"
        ),
    ],
)
def test_a_malformed_reply_is_nonsense_and_named(reply: bytes, words: str) -> None:
    with pytest.raises(AgentNonsense, match="agent of domain web-1 answered guest-info with") as caught:
        decode_reply(reply, domain=VIEW.named, command="guest-info")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        pytest.param(b'{"return": {}}', {}, id="bytes"),
        pytest.param('{"return": {}}', {}, id="text, as libvirt gives it"),
        pytest.param(b'{"return": null}', None, id="null"),
        pytest.param(b'{"return": -9223372036854775808}', -(2**63), id="the smallest 64-bit integer"),
        pytest.param(b'{"return": 18446744073709551615}', 2**64 - 1, id="the largest 64-bit integer"),
        pytest.param(b'{"return": "\\ud83d\\ude00"}', "\U0001f600", id="a whole surrogate pair"),
        pytest.param(b'{"return": 1, "return": 2}', 2, id="a key twice: the last counts"),
        pytest.param(
            json.dumps({"return": ["]" * 99, "[" * 99, '"{' * 99]}),
            ["]" * 99, "[" * 99, '"{' * 99],
            id="brackets",
        ),
        pytest.param(json.dumps({"return": [[]] * 99}), [[]] * 99, id="many lists side by side"),
    ],
)
def test_a_well_formed_reply_gives_what_was_returned(reply: bytes | str, value: object) -> None:
    assert decode_reply(reply, domain=VIEW.named) == value


def test_a_value_may_nest_to_the_bound() -> None:
    assert decode_json(nested(DEPTH)) == json.loads(nested(DEPTH))


@pytest.mark.parametrize(
    ("kind", "desc", "error"),
    [
        pytest.param("CommandNotFound", "The command x has not been found", AgentBlocked, id="unknown"),
        pytest.param("CommandNotFound", "Command x has been disabled", AgentBlocked, id="blocked, QEMU 7.2"),
        pytest.param("CommandDisabled", "whatever", AgentBlocked, id="blocked, by an older class"),
        pytest.param("GenericError", "x has been disabled for this instance", AgentBlocked, id="in words"),
        pytest.param("GenericError", "the command is not allowed", AgentBlocked, id="not allowed"),
        pytest.param(
            "CommandNotFound",
            "Command x has been disabled: the agent is in frozen state",
            DomainFrozen,
            id="frozen",
        ),
        pytest.param("GenericError", "handle '7' has not been found", AgentRefused, id="refused"),
        pytest.param("SomethingNew", "x", AgentRefused, id="a class of tomorrow"),
    ],
)
def test_an_error_is_named_by_what_can_be_done_about_it(
    kind: str, desc: str, error: type[AutoscalerError]
) -> None:
    reply = json.dumps({"error": {"class": kind, "desc": desc}})
    with pytest.raises(error, match="domain web-1") as caught:
        decode_reply(reply, domain=VIEW.named, command="x")
    assert type(caught.value) is error


def test_a_guest_cannot_write_to_the_terminal_by_its_error() -> None:
    desc = "x\x1b[2J\r\nroot: all is well" + "!" * 5000
    with pytest.raises(AgentError) as caught:
        decode_reply(json.dumps({"error": {"class": "E", "desc": desc}}), domain=VIEW.named)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_the_way_out_of_a_freeze_is_a_line_that_can_be_pasted() -> None:
    reply = '{"error": {"class": "CommandNotFound", "desc": "disabled: the agent is in frozen state"}}'
    with pytest.raises(DomainFrozen, match="virsh -c qemu:///system domfsthaw 'my guest; ls'"):
        decode_reply(reply, domain=Named("qemu:///system", "u", "my guest; ls"))
    with pytest.raises(DomainFrozen, match=r"are frozen.*its agent's guest-fsfreeze-thaw"):
        decode_reply(reply, domain=Named("qmp:/run/guests", "u", "web-1"))


def test_short_words_are_shown_as_they_are() -> None:
    assert printable("no such file: /proc/stat") == "no such file: /proc/stat"


def test_a_request_is_one_line_of_json() -> None:
    line = encode_request("guest-file-open", {"path": "/proc/stat\n"})
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"execute": "guest-file-open", "arguments": {"path": "/proc/stat\n"}}


def test_a_request_without_arguments_has_none() -> None:
    assert json.loads(encode_request("guest-info", None)) == {"execute": "guest-info"}
