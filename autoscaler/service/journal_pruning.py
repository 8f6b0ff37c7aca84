"""Forgets what is older than the journal is to keep, a little at a time, so that no tick waits for it.

Decisions are looked through in the order of their ids, which is nearly that of their times, some at each
step; at the first that is not old the next step begins at the oldest again. Where the journal has more bytes
than it may, the oldest go although they are not old. What that leaves free goes back to the file system, also
little by little: a file that was begun with `make_shrinkable` becomes smaller.

Invariants: a decision goes together with the operation that it began; what a start needs to know stays,
whatever the bytes.
"""

from __future__ import annotations

import logging
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

LOOKED_AT = 500
"""Decisions that one step looks at; at a step a minute, 720,000 a day."""
_BLOCKS = 1000
"""Blocks of the history that one step forgets at most."""
_LEARNED_EVERY_S = 3600.0
_PAGES = 500
"""Pages that one step gives back to the file system at most."""
_NEEDED_S = 2 * 86400.0
"""So young a decision stays whatever the bytes: a start reads the changes of the last day."""
_QUICK_BYTES = 64 << 20
"""A file that is not longer is written anew within a second or so."""
_INCREMENTAL = 2

_log = logging.getLogger("autoscaler")


class Pruning:
    """Which part of the journal was looked through last."""

    def __init__(self, keep_s: float, history_s: float, most_bytes: float = inf) -> None:
        """Begin with the oldest.

        Args:
            keep_s: how long after it last stood a decision is kept, and what was learned of a domain.
            history_s: how long the history of demand is kept.
            most_bytes: that the journal may have, as far as the needed allows.
        """
        self._keep_s = keep_s
        self._history_s = history_s
        self._most_bytes = most_bytes
        self._is_full = False
        self._looked_up_to = 0
        self._learned_at_s = float("-inf")

    def step(self, db: sqlite3.Connection, now_wall_s: float) -> None:
        """Take the next step, in the transaction that is open.

        Raises:
            sqlite3.Error: it could not be taken.
        """
        oldest_wall_s = now_wall_s - self._keep_s
        rows = db.execute(
            "SELECT id, at_wall_s, until_wall_s FROM decisions WHERE id > ? ORDER BY id LIMIT ?",
            (self._looked_up_to, LOOKED_AT),
        ).fetchall()
        old = [(row,) for row, _, until_wall_s in rows if until_wall_s < oldest_wall_s]
        db.executemany("DELETE FROM operations WHERE decision_id = ?", old)
        db.executemany("DELETE FROM decisions WHERE id = ?", old)
        db.execute(
            "DELETE FROM history WHERE rowid IN"
            " (SELECT rowid FROM history WHERE start_wall_s < ? ORDER BY start_wall_s LIMIT ?)",
            (now_wall_s - self._history_s, _BLOCKS),
        )
        more = len(rows) == LOOKED_AT and rows[-1][1] < oldest_wall_s
        self._looked_up_to = rows[-1][0] if more else 0
        if abs(now_wall_s - self._learned_at_s) >= _LEARNED_EVERY_S:
            db.execute("DELETE FROM learned WHERE at_wall_s < ?", (oldest_wall_s,))
            self._learned_at_s = now_wall_s
        self._shed(db, now_wall_s)

    def give_back(self, db: sqlite3.Connection) -> None:
        """Give some of what is free back to the file system; between two transactions.

        Raises:
            sqlite3.Error: it could not be given.
        """
        if _pragma(db, "freelist_count") > _PAGES:
            # As a script, which goes all the way: executed like a query it stops behind the first page.
            db.executescript(f"PRAGMA incremental_vacuum({_PAGES})")

    def _shed(self, db: sqlite3.Connection, now_wall_s: float) -> None:
        """Forget some of the oldest, old or not, where there are too many bytes."""
        bytes_used = used_bytes(db)
        if bytes_used <= self._most_bytes:
            self._is_full = False
            return
        young_wall_s = now_wall_s - _NEEDED_S
        rows = db.execute(
            "SELECT id FROM (SELECT id, until_wall_s FROM decisions ORDER BY id LIMIT ?)"
            " WHERE until_wall_s < ?",
            (LOOKED_AT, young_wall_s),
        ).fetchall()
        db.executemany("DELETE FROM operations WHERE decision_id = ?", rows)
        db.executemany("DELETE FROM decisions WHERE id = ?", rows)
        blocks = db.execute(
            "DELETE FROM history WHERE rowid IN"
            " (SELECT rowid FROM history WHERE start_wall_s < ? ORDER BY start_wall_s LIMIT ?)",
            (young_wall_s, _BLOCKS),
        ).rowcount
        if not self._is_full:
            self._is_full = True
            _log.warning(
                "the journal has %d MiB and may have %d (journal.most_mib): %s",
                bytes_used >> 20,
                int(self._most_bytes) >> 20,
                "its oldest entries are forgotten before their time"
                if rows or blocks
                else "all of it is needed, raise that",
            )


def make_shrinkable(db: sqlite3.Connection) -> None:
    """Let a journal give back what becomes free: a new one, and an older one that is written anew quickly.

    Raises:
        sqlite3.Error: it could not be written.
    """
    if _pragma(db, "auto_vacuum") == _INCREMENTAL:
        return
    pages = _pragma(db, "page_count")
    if pages * _pragma(db, "page_size") > _QUICK_BYTES:
        return
    db.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
    if pages:
        db.execute("VACUUM")


def used_bytes(db: sqlite3.Connection) -> int:
    """Bytes of a journal that hold something."""
    return (_pragma(db, "page_count") - _pragma(db, "freelist_count")) * _pragma(db, "page_size")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    value: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return value
