"""Room on the journal's disk that is given up for an administrator's order when there is no other left.

Invariant: what is held is really allocated; where it cannot be, as on a disk that is full already, none is.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BYTES = 256 << 10
"""An order takes some ten pages of 4 KiB in SQLite's log, and may make the file longer by a few."""


class Reserve:
    """A file beside the journal."""

    def __init__(self, journal: Path) -> None:
        """Hold nothing yet."""
        self._path = journal.with_name(f"{journal.name}-reserve")

    def hold(self) -> None:
        """Take the room, or half of it where there is no more; costs little where it is held already."""
        with suppress(OSError):
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
            try:
                if os.fstat(file).st_blocks * 512 < _BYTES:
                    self._allocate(file)
            finally:
                os.close(file)

    def _allocate(self, file: int) -> None:
        for size in (_BYTES, _BYTES // 2):
            try:
                os.posix_fallocate(file, 0, size)
            except OSError:
                os.ftruncate(file, 0)  # What was allocated before the room was at its end.
            else:
                return
        self.give_up()

    def give_up(self) -> bool:
        """Leave the room to others; returns whether any was held."""
        with suppress(OSError):
            self._path.unlink()
            return True
        return False


def is_full(error: sqlite3.Error) -> bool:
    """Whether there was no room for what was to be written."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
