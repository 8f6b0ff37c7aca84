"""The journal's file before SQLite opens it: made private, and one that was emptied is told of.

Invariant: nobody but the owner and his group reads the journal, whoever made its folder. SQLite gives the
files that it makes beside it the same rights.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("autoscaler")

_MODE = 0o640


def prepare(path: Path) -> None:
    """Make the file, or take from others their rights to it. Where that fails, SQLite says what is wrong."""
    with suppress(OSError):
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE))
        except FileExistsError:
            _look_over(path)


def _look_over(path: Path) -> None:
    if not path.stat().st_size:
        _log.warning(
            "the journal %s is empty and begun anew: "
            "orders and what was learned, if there were any, are lost",
            path,
        )
    for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        with suppress(OSError):
            found = file.stat().st_mode
            if stat.S_ISREG(found) and found & stat.S_IRWXO:
                file.chmod(stat.S_IMODE(found) & ~stat.S_IRWXO)
