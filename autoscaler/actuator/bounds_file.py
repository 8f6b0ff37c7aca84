"""The file of bounds, as JSON: written from configuration and policies, read by the actuator.

Invariants: a file that another user than root or the reader's own could have written is not read, nor one
with a key too many, too few, or of another kind; one that cannot be read leaves the last in force.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from autoscaler.actuator.bounds import Charter, DomainBounds
from autoscaler.backends.actuator.protocol import Verb
from autoscaler.backends.address import parse_address
from autoscaler.backends.connection import (
    Connection,
    LibvirtConnection,
    QmpFolderConnection,
    QmpListConnection,
)
from autoscaler.backends.file_stamp import stamp_at, stamp_of
from autoscaler.backends.labels import checked
from autoscaler.backends.local.wire import each_key_once
from autoscaler.backends.qmp.guests import QmpGuest
from autoscaler.core.model import MOST_VCPUS
from autoscaler.core.owner import Owner
from autoscaler.core.policy import Match
from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.backends.file_stamp import Stamp

T = TypeVar("T")

_log = logging.getLogger("autoscaler")

_MOST_BYTES = 4 * 1024 * 1024
_VERSION = 1
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MATCH = tuple(field.name for field in fields(Match))
_PAIRS = frozenset({"metadata", "not_metadata"})


class BoundsUnusable(AutoscalerError):
    """The file of bounds cannot be read, or is not to be trusted."""


def written(charter: Charter) -> str:
    """The text that stands for a charter."""
    document = {
        "version": _VERSION,
        "agent_timeout_s": charter.agent_timeout_s,
        "connections": [_connection_written(connection) for connection in charter.connections],
        "bounds": [
            {
                "policy": it.policy,
                "match": {name: getattr(it.match, name) for name in _MATCH},
                "may": sorted(it.may),
                "min_vcpus": it.min_vcpus,
                "max_vcpus": it.max_vcpus,
            }
            for it in charter.bounds
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _connection_written(connection: Connection) -> dict[str, object]:
    if isinstance(connection, LibvirtConnection):
        return {"libvirt": connection.uri, "adopt": sorted(connection.adopt)}
    if isinstance(connection, QmpFolderConnection):
        return {"folder": os.fspath(connection.folder)}
    return {
        "guests": [
            {
                "name": guest.name,
                "qmp": str(guest.qmp),
                "agent": None if guest.agent is None else str(guest.agent),
                "uuid": guest.uuid,
                "labels": dict(guest.labels),
            }
            for guest in connection.guests
        ]
    }


def read(text: bytes) -> Charter:
    """The charter that a text stands for.

    Raises:
        ValueError: it is none; its text is a part of a sentence.
    """
    try:
        found = _of(json.loads(text, object_pairs_hook=each_key_once), dict)
        version, timeout_s, connections, bounds = _values(
            found, "version", "agent_timeout_s", "connections", "bounds"
        )
        if version != _VERSION:
            raise ValueError(f"it is of version {version!r}, not {_VERSION}")
        return Charter(
            connections=tuple(_connection(it) for it in _of(connections, list)),
            agent_timeout_s=_of(timeout_s, float),
            bounds=tuple(_bounds(it) for it in _of(bounds, list)),
        )
    except RecursionError:
        raise ValueError("it is too deep") from None


def _of(value: object, kind: type[T]) -> T:
    """The value, which has to be of exactly this kind: true is no number."""
    if type(value) is not kind:
        raise ValueError(f"{value!r:.40} stands where a {kind.__name__} is expected")
    return value


def _values(found: Mapping[str, object], *names: str) -> list[object]:
    """The values of these keys, which have to be all that there are."""
    if found.keys() != set(names):
        raise ValueError(f"it has the keys {sorted(found)} where {sorted(names)} are expected")
    return [found[name] for name in names]


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_of(text, str) for text in _of(value, list))


def _count(value: object) -> int:
    count = _of(value, int)
    if not 0 <= count <= MOST_VCPUS:
        raise ValueError(f"{count} is no number of vCPUs")
    return count


def _bounds(value: object) -> DomainBounds:
    policy, match, may, least, most = _values(
        _of(value, dict), "policy", "match", "may", "min_vcpus", "max_vcpus"
    )
    return DomainBounds(
        policy=_of(policy, str),
        match=_match(_of(match, dict)),
        may=frozenset(Verb(verb) for verb in _texts(may)),
        min_vcpus=_count(least),
        max_vcpus=None if most is None else _count(most),
    )


def _match(found: Mapping[str, object]) -> Match:
    read_as = {name: _pairs if name in _PAIRS else _texts for name in _MATCH}
    texts = dict(zip(_MATCH, _values(found, *_MATCH), strict=True))
    # Each key of a match has its own kind of value, which the type checker does not follow.
    return Match(**{name: read_as[name](value) for name, value in texts.items()})  # type: ignore[arg-type]


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for pair in _of(value, list):
        key, pattern = _texts(pair)
        found.append((key, pattern))
    return tuple(found)


def _connection(value: object) -> Connection:
    found = _of(value, dict)
    if "libvirt" in found:
        uri, adopt = _values(found, "libvirt", "adopt")
        return LibvirtConnection(_of(uri, str), frozenset(Owner(owner) for owner in _texts(adopt)))
    if "folder" in found:
        return QmpFolderConnection(Path(_of(_values(found, "folder")[0], str)))
    return QmpListConnection(tuple(_guest(it) for it in _of(_values(found, "guests")[0], list)))


def _guest(value: object) -> QmpGuest:
    name, qmp, agent, uuid, labels = _values(_of(value, dict), "name", "qmp", "agent", "uuid", "labels")
    return QmpGuest(
        name=_of(name, str),
        qmp=parse_address(_of(qmp, str)),
        agent=None if agent is None else parse_address(_of(agent, str)),
        uuid=None if uuid is None else _of(uuid, str),
        labels=checked({key: _of(text, str) for key, text in _of(labels, dict).items()}),
    )


class BoundsFile:
    """The file, read anew whenever it is another; any thread may ask."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            BoundsUnusable: with what to do.
        """
        self._path = path
        self._reading = threading.Lock()
        self._seen: Stamp | None
        self._seen, self.charter = _read(path)

    def current(self) -> Charter:
        """What is in force now; what is wrong with the file is told once for each that is there."""
        with self._reading:
            stamp = stamp_at(self._path)
            if stamp != self._seen:
                try:
                    self._seen, self.charter = _read(self._path)
                    _log.info("the bounds in %s are in force", self._path)
                except BoundsUnusable as error:
                    self._seen = stamp
                    _log.error("%s; the bounds that were in force stay so", error)
            return self.charter


def _read(path: Path) -> tuple[Stamp, Charter]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BoundsUnusable(
            f"the bounds {path} cannot be read ({error.strerror}): `autoscaler bounds --output {path}` makes "
            "them from the policies"
        ) from error
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & _OTHERS_WRITE:
        raise BoundsUnusable(
            f"the bounds {path} may be written by others than root and this user: `chown root {path} && "
            f"chmod 0644 {path}`"
        )
    if len(text) > _MOST_BYTES:
        raise BoundsUnusable(f"the bounds {path} have more than {_MOST_BYTES} bytes: name fewer domains")
    try:
        return stamp_of(status), read(text)
    except ValueError as error:
        raise BoundsUnusable(
            f"the bounds {path} are none ({error}): make them with `autoscaler bounds` of this version"
        ) from error
