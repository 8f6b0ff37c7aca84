"""Looks at the start whether the journal is whole: the file, its orders, and SQLite's log beside it.

SQLite keeps checksums of its log alone. Pages that were swapped, cut off or written over show by how they
hang together; in a file too large to be looked through, only where the start reads. What was changed in one
entry shows where it makes no sense any more: another end of an order's time, another count or name in it does
not.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

_log = logging.getLogger("autoscaler")

_QUICK_BYTES = 64 << 20
"""A file that is not longer is looked through within a quarter of a second, once it is in memory."""
_LOG_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


def require_whole(db: sqlite3.Connection, path: Path) -> None:
    """Tell of what is lost of the log, and look through a file small enough not to hold up the start.

    Raises:
        ValueError: the file is damaged.
        sqlite3.Error: the same, so that SQLite cannot even look.
    """
    dropped = _dropped_frames(db, path)
    if dropped:
        _log.warning(
            "the log %s-wal is damaged, and the newest entries of the journal, %d pages, are lost: where an "
            "order was given shortly before the service ended, see by `autoscaler status` whether it stands",
            path,
            dropped,
        )
    page_count = db.execute("PRAGMA page_count").fetchone()[0]
    if page_count * _page_bytes(db) <= _QUICK_BYTES:
        _require_ok(db.execute("PRAGMA quick_check(1)"))


def require_whole_orders(db: sqlite3.Connection) -> None:
    """Look through the orders, which are few, and hold them against their index.

    Raises:
        ValueError: they are damaged.
        sqlite3.Error: the same, so that SQLite cannot even look.
    """
    _require_ok(db.execute("PRAGMA integrity_check(orders)"))


def _require_ok(answers: Iterable[tuple[str]]) -> None:
    said = " ".join(" ".join(text.split()) for (text,) in answers)
    if said != "ok":
        raise ValueError(said.removeprefix("*** in database main *** "))


def _dropped_frames(db: sqlite3.Connection, path: Path) -> int:
    """How many pages SQLite did not take in from its log that belong to finished transactions.

    It takes in what stands before the first page whose checksum is wrong, and says nothing of the rest.
    A kill in the moment between the two writes of the page that ends a transaction looks the same.
    """
    frame_bytes = _FRAME_HEADER_BYTES + _page_bytes(db)
    # Its second figure is how many pages were taken in; -1: another process is at it.
    taken_in: int = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    log = path.with_name(f"{path.name}-wal")
    if taken_in < 0:
        return 0
    finished = 0
    # Where there is none there is nothing to lose; what cannot be read of it SQLite could not read either.
    with suppress(OSError), log.open("rb") as file:
        header = file.read(_LOG_HEADER_BYTES)
        for number in range((log.stat().st_size - _LOG_HEADER_BYTES) // frame_bytes):
            file.seek(_LOG_HEADER_BYTES + number * frame_bytes)
            frame = file.read(_FRAME_HEADER_BYTES)
            # Both salts are others in what is left of a log before; one of them may be what is damaged.
            of_this_log = frame[8:12] == header[16:20] or frame[12:16] == header[20:24]
            if of_this_log and any(frame[4:8]):
                finished = number + 1
    return max(0, finished - taken_in)


def _page_bytes(db: sqlite3.Connection) -> int:
    size: int = db.execute("PRAGMA page_size").fetchone()[0]
    return size
