"""Why the journal cannot be used, in a sentence that says what to do."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from textwrap import shorten
from typing import TYPE_CHECKING

from autoscaler.errors import JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_SIGNS = 160
_NOT_OURS = "give it and its folder to the user that runs the service, on a file system that can be written"
MOVE_AWAY = (
    "move the file away and restart the service, which begins a new one and "
    "then knows of no pause that was ordered"
)
DAMAGE = (TypeError, ValueError, ArithmeticError, LookupError, RecursionError)
"""What damaged bytes raise that SQLite took for whole: wrong types, bad UTF-8, bad JSON, times of no date."""
_ADVICE = {
    # The service's own statements are right: a table or a column that they miss was there once.
    sqlite3.SQLITE_ERROR: MOVE_AWAY,
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
        # What the module itself finds wrong, as text that is not UTF-8, has no code of SQLite's; the upper
        # bits only detail it.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        advice = _ADVICE.get(code, "check the space and the rights of its folder")
        raise JournalUnavailable(
            f"the journal {path} cannot be used ({in_a_line(error)}): {advice}"
        ) from error
    except UnicodeError as error:
        # SQLite's sentence quotes a name of the schema that is not UTF-8.
        raise damaged(path, error) from error


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Have what a read raises leave as `JournalUnavailable`, also where it was not SQLite that stumbled."""
    with naming_errors(path):
        try:
            yield
        except DAMAGE as error:
            raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> JournalUnavailable:
    """What it means that bytes which SQLite took for whole are not what was written."""
    return JournalUnavailable(f"the journal {path} is damaged ({in_a_line(error)}): {MOVE_AWAY}")


def in_a_line(error: Exception) -> str:
    """The error as part of a sentence, which may quote a page of what is damaged."""
    printable = "".join(sign if sign.isprintable() else " " for sign in str(error))
    return shorten(printable, _MOST_SIGNS, placeholder=" ...")
