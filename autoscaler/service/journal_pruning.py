"""Forgets what is older than the journal is to keep, a little at a time, so that no tick waits for it.

Decisions are looked through in the order of their ids, which is nearly that of their times, some at each
step; at the first that is not old the next step begins at the oldest again. A second walk goes round all of
them, for the order of ids is not that of times where the clock was wrong or a decision stands for long. Where
the journal has more bytes than it may, the oldest go although they are not old. What that leaves free goes
back to the file system, also little by little: a file that was begun with `make_shrinkable` becomes smaller.

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
"""Decisions that one step of a walk looks at; at a step a minute, 720,000 a day."""
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


class _Walk:
    """Looks through all decisions, round and round."""

    def __init__(self) -> None:
        self._up_to = 0

    def step(self, db: sqlite3.Connection) -> list[tuple[int, float, float]]:
        """The next ones: id, when each began to stand, and until when it stood."""
        rows = db.execute(
            "SELECT id, at_wall_s, until_wall_s FROM decisions WHERE id > ? ORDER BY id LIMIT ?",
            (self._up_to, LOOKED_AT),
        ).fetchall()
        self._up_to = rows[-1][0] if len(rows) == LOOKED_AT else 0
        return rows

    def begin_again(self) -> None:
        """Have the next step begin at the oldest."""
        self._up_to = 0


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
        self._oldest, self._round, self._shedding = _Walk(), _Walk(), _Walk()
        self._learned_at_s = float("-inf")

    def step(self, db: sqlite3.Connection, now_wall_s: float) -> None:
        """Take the next step, in the transaction that is open.

        Raises:
            sqlite3.Error: it could not be taken.
        """
        oldest_wall_s = now_wall_s - self._keep_s
        rows = self._oldest.step(db)
        if not rows or rows[-1][1] >= oldest_wall_s:
            self._oldest.begin_again()
        _forget(db, rows, oldest_wall_s)
        _forget(db, self._round.step(db), oldest_wall_s)
        db.execute(
            "DELETE FROM history WHERE rowid IN"
            " (SELECT rowid FROM history WHERE start_wall_s < ? ORDER BY start_wall_s LIMIT ?)",
            (now_wall_s - self._history_s, _BLOCKS),
        )
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
            self._shedding.begin_again()
            return
        young_wall_s = now_wall_s - _NEEDED_S
        if not self._is_full:
            self._is_full = True
            _log.warning(
                "the journal has %d MiB and may have %d (journal.most_mib): %s",
                bytes_used >> 20,
                int(self._most_bytes) >> 20,
                "its oldest entries are forgotten before their time"
                if _has_older(db, young_wall_s)
                else "all of it is needed, raise that",
            )
        _forget(db, self._shedding.step(db), young_wall_s)
        db.execute(
            "DELETE FROM history WHERE rowid IN"
            " (SELECT rowid FROM history WHERE start_wall_s < ? ORDER BY start_wall_s LIMIT ?)",
            (young_wall_s, _BLOCKS),
        )


def _forget(db: sqlite3.Connection, rows: list[tuple[int, float, float]], before_wall_s: float) -> None:
    """Delete those of these decisions that stood no longer than that, with their operations."""
    old = [(row,) for row, _, until_wall_s in rows if until_wall_s < before_wall_s]
    db.executemany("DELETE FROM operations WHERE decision_id = ?", old)
    db.executemany("DELETE FROM decisions WHERE id = ?", old)


def _has_older(db: sqlite3.Connection, wall_s: float) -> bool:
    """Whether anything may be forgotten that is older."""
    found: int = db.execute(
        "SELECT EXISTS (SELECT 1 FROM decisions WHERE until_wall_s < ?)"
        " OR EXISTS (SELECT 1 FROM history WHERE start_wall_s < ?)",
        (wall_s, wall_s),
    ).fetchone()[0]
    return bool(found)


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
