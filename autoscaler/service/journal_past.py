"""What the journal tells the service itself of what it did before: how long growth took, what was changed.

Invariant: a damaged entry costs only itself.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from autoscaler.core.operation import Direction, Operation, Outcome
from autoscaler.core.reason import Reason
from autoscaler.service.journal_rows import stages_s

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from autoscaler.core.model import DomainId


def growths_s(db: sqlite3.Connection, host: str, most: int) -> list[float]:
    """How long the newest growths of one host took that nothing held; see `autoscaler.ports.Journal`."""
    rows = db.execute(
        "SELECT json_extract(stages, '$.online') AS online_s"
        " FROM operations JOIN decisions ON decisions.id = decision_id"
        " WHERE host = ? AND direction = ? AND json_valid(stages) AND typeof(online_s) = 'real'"
        " AND json_extract(stages, '$.held') IS NULL"
        " ORDER BY decision_id DESC LIMIT ?",
        (host, Direction.UP, most),
    ).fetchall()
    return [online_s for (online_s,) in reversed(rows)]


def changes(
    db: sqlite3.Connection, domain: DomainId, *, now_s: float, wall_s: float, within_s: float
) -> list[Operation]:
    """The changes of one domain that were begun of late; see `autoscaler.ports.Journal`."""
    rows = db.execute(
        "SELECT d.at_wall_s, d.host, o.decision_id, o.from_vcpus, o.to_vcpus, o.reason, o.stages, o.outcome,"
        " o.detail, o.direction, json_valid(o.stages) AND json_extract(o.stages, '$.held')"
        " FROM decisions d LEFT JOIN operations o ON o.decision_id = d.id"
        " WHERE d.uuid = ? ORDER BY d.id DESC",
        (domain.uuid,),
    )
    # One that a damaged entry left open would stand in the way of what is written next.
    with closing(rows):
        return list(_changes(rows, domain.host, now_s, wall_s, within_s))[::-1]


def _changes(
    rows: sqlite3.Cursor, host: str, now_s: float, wall_s: float, within_s: float
) -> Iterator[Operation]:
    """The newest first; the cursor is read no further than it has to be."""
    for at_wall_s, of_host, decision_id, *counts, reason, stages, outcome, detail, way, held in rows:
        ago_s = max(0.0, wall_s - at_wall_s)
        if ago_s > within_s:
            return
        if decision_id is None or of_host != host:
            continue
        with suppress(ValueError):
            requested_s = now_s - ago_s
            at_s = {stage: requested_s + after_s for stage, after_s in stages_s(stages).items()}
            yield Operation(
                unplugs=way == Direction.UNPLUG,
                decision_id=decision_id,
                from_vcpus=counts[0],
                to_vcpus=counts[1],
                reason=Reason(reason),
                requested_s=requested_s,
                accepted_s=at_s.get("requested" if way == Direction.UNPLUG else "accepted"),
                present_s=at_s.get("present"),
                online_s=at_s.get("online"),
                relieved_s=at_s.get("relieved"),
                offlined_s=at_s.get("offlined"),
                acknowledged_s=at_s.get("acknowledged"),
                gone_s=at_s.get("gone"),
                held=bool(held),
                outcome=None if outcome is None else Outcome(outcome),
                detail=detail,
            )
