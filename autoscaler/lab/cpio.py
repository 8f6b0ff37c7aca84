"""Writes the cpio archive (newc format) that Linux unpacks as its first root file system.

Written here rather than by the cpio command, which many hosts lack, and so that the same input always gives
the same bytes: an image is known by the digest of what went in.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file or folder of the archive, owned by root, dated at the epoch."""

    path: str
    """Relative to the root, without a leading slash."""
    mode: int
    """Type and permission bits, as in ``st_mode``."""
    content: bytes = b""


def file(path: str, content: bytes, *, executable: bool = False) -> Entry:
    """Return a regular file."""
    return Entry(path=path, mode=stat.S_IFREG | (0o755 if executable else 0o644), content=content)


def folder(path: str) -> Entry:
    """Return a folder."""
    return Entry(path=path, mode=stat.S_IFDIR | 0o755)


def archive(entries: Iterable[Entry]) -> bytes:
    """Return a newc archive of `entries`, each folder above them included once, before what it holds."""
    members = list(_with_parents(entries))
    packed = [_pack(number, member) for number, member in enumerate(members, start=1)]
    return b"".join((*packed, _pack(0, Entry(path=_TRAILER, mode=0))))


def _with_parents(entries: Iterable[Entry]) -> Iterator[Entry]:
    seen: set[str] = set()
    for entry in entries:
        parts = entry.path.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            if parent not in seen:
                seen.add(parent)
                yield folder(parent)
        if entry.path not in seen:
            seen.add(entry.path)
            yield entry


def _pack(inode: int, entry: Entry) -> bytes:
    """One member: magic, 13 fields of 8 hex digits, name, content; name and content padded to 4 bytes."""
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, 0, 0, len(name), 0)
    header = _MAGIC + b"".join(b"%08x" % field for field in fields) + name
    return _padded(header) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
