"""Requests as they come, held to their form before anything is made of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from autoscaler.backends.actuator.protocol import KEYS, KEYS_OF_READING, OF_DOMAIN, Reading, Verb
from autoscaler.core.model import MOST_VCPUS, DomainId
from autoscaler.core.printable import printable
from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T", Verb, Reading)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_MOST_HOST = 512
"""Characters of a connection's name."""


class NotUnderstood(AutoscalerError):
    """The request has not the form that it must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request of the right form."""

    verb: Verb
    what: Reading | None
    """None exactly where the verb is not `Verb.READ`."""
    host: str
    domain: DomainId | None
    expect: int
    target: int | None
    """None exactly where the verb is `Verb.READ`."""
    pressure: bool


def understood(request: Mapping[str, object]) -> Request:
    """The request that was meant.

    Raises:
        NotUnderstood: with what is wrong.
    """
    verb = _one_of(Verb, request.get("verb"), "verb")
    what = _one_of(Reading, request.get("what"), "what") if verb is Verb.READ else None
    keys = KEYS[verb] if what is None else KEYS_OF_READING[what]
    if request.keys() != keys | {"verb"}:
        raise NotUnderstood(f"a {verb} has the keys {', '.join(sorted(keys | {'verb'}))}, and no other")
    host = _text(request["host"], "host")
    found = Request(
        verb=verb,
        what=what,
        host=host,
        domain=DomainId(host, _uuid(request["uuid"])) if keys >= OF_DOMAIN else None,
        expect=_count(request["expect"], "expect") if "expect" in keys else 0,
        target=_count(request["target"], "target") if "target" in keys else None,
        pressure=_flag(request["pressure"], "pressure") if "pressure" in keys else False,
    )
    if verb is Verb.PLUG and found.target is not None and found.target < found.expect:
        raise NotUnderstood(f"a plug only adds vCPUs, and the target {found.target} is below {found.expect}")
    return found


def _one_of(kind: type[T], value: object, key: str) -> T:
    if isinstance(value, str) and value in set(kind):
        return kind(value)
    raise NotUnderstood(f"'{key}' is one of {', '.join(kind)}")


def _text(value: object, key: str) -> str:
    if isinstance(value, str) and value.isprintable() and len(value) <= _MOST_HOST:
        return value
    raise NotUnderstood(f"'{key}' is printable text of at most {_MOST_HOST} characters")


def _uuid(value: object) -> str:
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value
    raise NotUnderstood(f"'uuid' is a UUID in lower case, not {printable(repr(value)):.60}")


def _count(value: object, key: str) -> int:
    if type(value) is int and 0 <= value <= MOST_VCPUS:
        return value
    raise NotUnderstood(f"'{key}' is a number of vCPUs")


def _flag(value: object, key: str) -> bool:
    if isinstance(value, bool):
        return value
    raise NotUnderstood(f"'{key}' is true or false")
