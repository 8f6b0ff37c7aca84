"""Decisions that repeat the last one of their domain and move nothing: folded into its row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.service.decision_record import inputs_of

if TYPE_CHECKING:
    import sqlite3

    from autoscaler.core.decision import Decision


@dataclass(slots=True)
class Last:
    """The newest row of a domain, and what has been folded into it since it was written."""

    row: int
    key: tuple[object, ...]
    newest: Decision
    """The last decision that was folded in, or the row's own."""
    until_wall_s: float
    repeats: int = 0
    written: int = 0
    """How many of the repeats are on disk."""


def key_of(decision: Decision, digest: str) -> tuple[object, ...]:
    """What two decisions of a domain have in common of which the later repeats the earlier."""
    return (
        decision.verdict,
        decision.reason,
        decision.act,
        decision.plugged,
        decision.online,
        decision.seen,
        decision.target,
        decision.policy,
        decision.mode,
        digest,
    )


def write_fold(db: sqlite3.Connection, last: Last) -> None:
    """Write what was folded in since the last time."""
    if last.repeats == last.written:
        return
    db.execute(
        "UPDATE decisions SET until_wall_s = ?, repeats = ?, newest_inputs = ? WHERE id = ?",
        (last.until_wall_s, last.repeats, json.dumps(inputs_of(last.newest)), last.row),
    )
