"""Forgets what is older than the journal is to keep, a little at a time, so that no tick waits for it.

Decisions are looked through in the order of their ids, which is nearly that of their times, some at each
step; at the first that is not old the next step begins at the oldest again.

Invariant: a decision goes together with the operation that it began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

LOOKED_AT = 500
"""Decisions that one step looks at; at a step a minute, 720,000 a day."""
_BLOCKS = 1000
"""Blocks of the history that one step forgets at most."""
_LEARNED_EVERY_S = 3600.0


class Pruning:
    """Which part of the journal was looked through last."""

    def __init__(self, keep_s: float, history_s: float) -> None:
        """Begin with the oldest.

        Args:
            keep_s: how long after it last stood a decision is kept, and what was learned of a domain.
            history_s: how long the history of demand is kept.
        """
        self._keep_s = keep_s
        self._history_s = history_s
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
