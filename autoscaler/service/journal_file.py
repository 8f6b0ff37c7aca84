"""The journal's file before SQLite opens it: made private, and one that was emptied or deleted is told of.

Invariant: nobody but the owner and his group reads the journal, whoever made its folder. SQLite gives the
files that it makes beside it the same rights.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from autoscaler.errors import JournalUnavailable

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("autoscaler")

_MODE = 0o640


_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_LOST = "begun anew: orders and what was learned, if there were any, are lost"


def prepare(path: Path) -> None:
    """Make the file, or take from others their rights to it. Where that fails, SQLite says what is wrong.

    Raises:
        JournalUnavailable: there is something else in its place.
    """
    with suppress(OSError):
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE))
        except FileExistsError:
            _look_over(path)
        else:
            if _beside(path, "-wal").exists():
                _log.warning(
                    "the journal %s is gone, though its log %s-wal is not, and %s", path, path, _LOST
                )


def _look_over(path: Path) -> None:
    found = path.stat()
    kind = _KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is not None:
        raise JournalUnavailable(
            f"the journal {path} is {kind}, and no file: move that away and restart the service"
        )
    if not found.st_size:
        _log.warning("the journal %s is empty and %s", path, _LOST)
    for file in (path, _beside(path, "-wal"), _beside(path, "-shm")):
        with suppress(OSError):
            mode = file.stat().st_mode
            if stat.S_ISREG(mode) and mode & stat.S_IRWXO:
                file.chmod(stat.S_IMODE(mode) & ~stat.S_IRWXO)


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)
