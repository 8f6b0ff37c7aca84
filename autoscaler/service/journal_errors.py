"""Why the journal cannot be used, in a sentence that says what to do."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autoscaler.ports import JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NOT_OURS = "give it and its folder to the user that runs the service, on a file system that can be written"
MOVE_AWAY = (
    "move the file away and restart the service, which begins a new one and "
    "then knows of no pause that was ordered"
)
_ADVICE = {
    sqlite3.SQLITE_NOTADB: MOVE_AWAY,
    sqlite3.SQLITE_CORRUPT: MOVE_AWAY,
    sqlite3.SQLITE_BUSY: "another program holds it, end that one",
    sqlite3.SQLITE_IOERR: "its disk fails or became read-only, the kernel's log (`dmesg`) says why",
    sqlite3.SQLITE_FULL: "make room on its file system",
    sqlite3.SQLITE_READONLY: _NOT_OURS,
    sqlite3.SQLITE_CANTOPEN: _NOT_OURS,
    sqlite3.SQLITE_PERM: _NOT_OURS,
}
"""What to do, by SQLite's primary result code."""


@contextmanager
def naming_errors(path: Path) -> Iterator[None]:
    """Have what SQLite raises leave as `JournalUnavailable`."""
    try:
        yield
    except sqlite3.Error as error:
        # What the module itself finds wrong has no code of SQLite's; the upper bits only detail it.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        advice = _ADVICE.get(code, "check the space and the rights of its folder")
        raise JournalUnavailable(f"the journal {path} cannot be used ({error}): {advice}") from error
