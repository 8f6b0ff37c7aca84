"""Guest-agent messages: strict decoding of what a guest sent, whatever transport carried it.

A guest is not trusted. Invariant: a value that leaves this module came from at most `REPLY_BYTES` of valid
UTF-8, nests at most `DEPTH` deep, holds only finite numbers and integers of 64 bits, and every string in it
can be written as UTF-8 again. Python's own parser, left alone, takes NaN, digits without end and halves of
surrogate pairs.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, NoReturn

from autoscaler.errors import (
    AgentAbsent,
    AgentBlocked,
    AgentNonsense,
    AgentRefused,
    DomainFrozen,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.core.named import Named
    from autoscaler.errors import AutoscalerError

REPLY_BYTES = 256 * 1024
"""Longest reply that is read."""
DEPTH = 32
"""Deepest nesting; the agent's own replies stay below 8."""

_INTEGER_CHARACTERS = len(str(-(2**63)))
_WORDS_SHOWN = 200
# Possessive, so that no input makes it try twice; an unterminated string runs to the end.
_STRING = re.compile(r'"(?>[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_HALF_PAIR = re.compile(r"\\u[dD]")

_BLOCKED_CLASSES = frozenset({"CommandNotFound", "CommandDisabled"})
_BLOCKED_WORDS = ("has been disabled", "is not allowed")
_FROZEN_WORDS = "frozen state"


class MalformedReply(ValueError):
    """The bytes are no JSON within the bounds; the text completes "the agent sent ..."."""


def encode_request(command: str, arguments: Mapping[str, object] | None) -> bytes:
    """One request as the agent reads it, newline included."""
    request: dict[str, object] = {"execute": command}
    if arguments is not None:
        request["arguments"] = arguments
    return json.dumps(request).encode() + b"\n"


def decode_json(data: bytes | str) -> object:
    """Decode one JSON value within the bounds of this module.

    Raises:
        MalformedReply: it is none, or breaks a bound.
    """
    text = _text(data)
    _check_depth(text)
    try:
        value: object = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedReply(f"what is no JSON ({error.msg} at character {error.pos})") from None
    if _HALF_PAIR.search(text):
        _check_encodable(value)
    return value


def decode_reply(reply: bytes | str, *, domain: Named, command: str = "a command") -> object:
    """Decode a whole reply and return the value of its ``return``.

    Args:
        reply: ``{"return": ...}`` or ``{"error": {"class": ..., "desc": ...}}``, as it came.
        domain: the domain, for messages.
        command: what was asked, for messages.

    Raises:
        AgentBlocked: the agent does not know the command, or was told not to allow it.
        AgentRefused: the agent could not do it.
        DomainFrozen: the guest's filesystems are frozen, and the agent does next to nothing until they thaw.
        AgentNonsense: the reply is malformed.
    """
    agent = f"the agent of domain {domain}"
    try:
        value = decode_json(reply)
    except MalformedReply as error:
        raise AgentNonsense(
            f"{agent} answered {command} with {error}: restart qemu-guest-agent in the guest"
        ) from None
    if isinstance(value, dict) and "return" in value and "error" not in value:
        return value["return"]
    failure = value.get("error") if isinstance(value, dict) and "return" not in value else None
    if not isinstance(failure, dict):
        raise AgentNonsense(f"{agent} answered {command} with neither a result nor an error")
    kind, words = failure.get("class"), failure.get("desc")
    if not isinstance(kind, str) or not isinstance(words, str):
        raise AgentNonsense(f"{agent} answered {command} with an error that has no class and description")
    raise refusal(kind, words, domain=domain, command=command)


def printable(text: str) -> str:
    """A guest's words made safe for a log or a terminal: one line, nothing unprintable, not long."""
    shown = "".join(character if character.isprintable() else " " for character in text[: _WORDS_SHOWN + 1])
    return shown if len(shown) <= _WORDS_SHOWN else f"{shown[:_WORDS_SHOWN]}..."


def nobody_listens(domain_name: str) -> AgentAbsent:
    """What it means that nothing in the guest holds its end of the agent channel."""
    return AgentAbsent(
        f"nothing in the guest of domain {domain_name} has its agent channel open: in the guest, install "
        f"qemu-guest-agent and `systemctl start qemu-guest-agent`"
    )


def frozen(domain: Named) -> DomainFrozen:
    """What an agent's refusal means while its guest's filesystems are frozen."""
    thawing = f"`{domain.virsh('domfsthaw')}`" if domain.by_libvirt else "its agent's guest-fsfreeze-thaw"
    return DomainFrozen(
        f"the filesystems of domain {domain} are frozen, for a backup or snapshot: where none runs, "
        f"{thawing} ends that"
    )


def refusal(kind: str, words: str, *, domain: Named, command: str) -> AutoscalerError:
    """What an agent's error means: its class and description, for a transport that delivers them apart."""
    said = printable(words)
    if _FROZEN_WORDS in words:
        return frozen(domain)
    if kind in _BLOCKED_CLASSES or any(blocked in words for blocked in _BLOCKED_WORDS):
        return AgentBlocked(
            f"the agent of domain {domain} does not allow {command} ({said}): see BLOCK_RPCS or "
            f"ALLOW_RPCS of qemu-guest-agent in the guest"
        )
    return AgentRefused(f"the agent of domain {domain} could not do {command}: {said}")


def _text(data: bytes | str) -> str:
    if len(data) > REPLY_BYTES:
        raise MalformedReply(f"over {REPLY_BYTES // 1024} KiB")
    if isinstance(data, str):
        return data
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MalformedReply(f"what is no UTF-8 (at byte {error.start})") from None


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= DEPTH:
        return
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > DEPTH:
            raise MalformedReply(f"what nests over {DEPTH} deep")


def _check_encodable(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise MalformedReply("half of a surrogate pair") from None


def _integer(digits: str) -> int:
    if len(digits) > _INTEGER_CHARACTERS:
        raise MalformedReply(f"an integer of {len(digits)} digits")
    return int(digits)


def _real(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise MalformedReply("a number beyond all bounds")
    return number


def _constant(word: str) -> NoReturn:
    raise MalformedReply(f"{word}, which is no JSON number")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_real, parse_constant=_constant)
