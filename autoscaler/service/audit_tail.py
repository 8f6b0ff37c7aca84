"""Where an audit log ends, by what is in its newest file: the last whole line, and what came after it."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autoscaler.service.audit_chain import NOTHING, Head, read_line, stated
from autoscaler.service.audit_files import audit_files, first_entry

if TYPE_CHECKING:
    from pathlib import Path

_READ_BYTES = 1 << 20
"""As much of the end is read: some thousand lines."""


@dataclass(slots=True, kw_only=True)
class Tail:
    """The end of the log."""

    path: Path | None = None
    """The newest file; None: there is none."""
    head: Head = NOTHING
    size: int = 0
    """Bytes of the file up to the end of its last line."""
    junk: bytes = b""
    """What stands behind that."""
    begun_wall_s: float = 0.0
    """When its first line was written."""
    hashes: dict[int, str] = field(default_factory=dict)
    """Those of the last lines, by their numbers."""

    @property
    def end(self) -> int:
        """Bytes of the file."""
        return self.size + len(self.junk)

    def take(self, head: Head, count: int) -> None:
        """A line of so many bytes was added."""
        self.head = head
        self.size += count + len(self.junk)
        self.junk = b""


def tail_of(folder: Path) -> Tail:
    """Where the log in a folder ends.

    Raises:
        AutoscalerError, OSError: it cannot be read.
    """
    files = audit_files(folder)
    if not files:
        return Tail()
    newest = _tail_in(files[-1])
    if newest.head == NOTHING:
        # Begun by a run that was killed before its first line was whole.
        older = (_tail_in(path) for path in reversed(files[:-1]))
        before = next((tail for tail in older if tail.head != NOTHING), newest)
        newest.head, newest.hashes = before.head, before.hashes
    entry = first_entry(files[-1])
    at_wall_s = None if entry is None else entry.get("at_wall_s")
    newest.begun_wall_s = at_wall_s if isinstance(at_wall_s, float) else 0.0
    return newest


def _tail_in(path: Path) -> Tail:
    """The end of one file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        start = max(size - _READ_BYTES, 0)
        file.seek(start)
        data = file.read(_READ_BYTES)
    tail, at = Tail(path=path, size=start), 0
    for line in io.BytesIO(data):
        at += len(line)
        entry = read_line(line)
        head = None if entry is None else stated(entry)
        if head is not None:
            tail.head, tail.size = head, start + at
            tail.hashes[head.seq] = head.hash
    tail.junk = data[tail.size - start :]
    return tail
