"""The lines of the audit log: how each is tied to the one before, and whether lines are what was written.

A line is one JSON object in a canonical form: ASCII, keys in order, no spaces. ``seq`` counts the lines from
1, ``prev`` is the hash of the line before, and ``hash`` is the SHA-256 of the line without that key. So a
line that is edited no longer fits its own hash, and one that is dropped, added or moved no longer fits its
neighbours.

The hash has no key: who may write the file can write it anew from any line on, to its end. That shows only
where the hash of a later line was kept elsewhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    Entry = Mapping[str, object]

MOST_LINE_BYTES = 64 * 1024
"""No line is longer."""
_HASH_DIGITS = 64


@dataclass(frozen=True, slots=True, order=True)
class Head:
    """A line by its number and its hash."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """The line that ``SEQ:HASH`` names.

        Raises:
            ValueError: it names none.
        """
        seq, _, digest = text.partition(":")
        if not (seq.isascii() and seq.isdigit() and _is_hash(digest)):
            raise ValueError(f"{text!r} is not SEQ:HASH, a number and {_HASH_DIGITS} digits of 0-9 and a-f")
        return cls(int(seq), digest)


NOTHING = Head(0, "0" * _HASH_DIGITS)
"""What the first line of all follows."""


def line_of(entry: Entry, after: Head) -> tuple[bytes, Head]:
    """The line that says this after that one, and what the next line follows."""
    chained = {**entry, "seq": after.seq + 1, "prev": after.hash}
    digest = sha256(_canonical(chained)).hexdigest()
    return _canonical({**chained, "hash": digest}) + b"\n", Head(after.seq + 1, digest)


def read_line(line: bytes) -> Entry | None:
    """What a line says; None: it is not, to the byte, one that `line_of` made."""
    entry = parsed(line)
    if entry is None or stated(entry) is None or not _is_hash(entry.get("prev")):
        return None
    unhashed = {key: value for key, value in entry.items() if key != "hash"}
    try:
        if _canonical(entry) + b"\n" != line or sha256(_canonical(unhashed)).hexdigest() != entry["hash"]:
            return None
    except (ValueError, RecursionError):  # what JSON may hold and no line does
        return None
    return entry


def parsed(line: bytes) -> Entry | None:
    """The JSON object on a line, whoever wrote it; None: there is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def stated(entry: Entry) -> Head | None:
    """The number and the hash that an entry gives itself; None: it has none."""
    seq, digest = entry.get("seq"), entry.get("hash")
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 1:
        return None
    return Head(seq, str(digest)) if _is_hash(digest) else None


def follows(entry: Entry, head: Head) -> bool:
    """Whether it is the next line after that one."""
    return (entry.get("seq"), entry.get("prev")) == (head.seq + 1, head.hash)


def torn(junk: bytes) -> dict[str, object]:
    """What stands for bytes that are no line: a write that was cut short."""
    return {"what": "torn", "bytes": len(junk), "sha256": sha256(junk).hexdigest()}


def _canonical(entry: Entry) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and len(value) == _HASH_DIGITS and set(value) <= set("0123456789abcdef")
