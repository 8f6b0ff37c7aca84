"""Reads the journal for people: decisions with their operations, while the service writes on.

Each call opens the file read-only on a connection of its own, so any thread, or another process, may call it.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from autoscaler.ports import JournalUnavailable

if TYPE_CHECKING:
    from pathlib import Path

_DECISION_COLUMNS = (
    *("id", "at_wall_s", "until_wall_s", "repeats", "host", "uuid", "domain", "policy", "mode", "verdict"),
    *("reason", "plugged", "online", "proposed", "target", "next_vcpus"),
)

_EVENTS = """
SELECT d.*, o.direction, o.from_vcpus, o.to_vcpus, o.stages, o.outcome, o.detail
FROM decisions d LEFT JOIN operations o ON o.decision_id = d.id
WHERE (:domain IS NULL OR d.domain = :domain) AND d.id > :after
ORDER BY d.id DESC LIMIT :limit
"""


def events(
    path: Path, *, domain: str | None = None, after: int = 0, limit: int = 100
) -> list[dict[str, object]]:
    """The newest decisions with an id above `after`, oldest first, each with its operation where it had one.

    Raises:
        JournalUnavailable: the file cannot be read.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            rows = db.execute(_EVENTS, {"domain": domain, "after": after, "limit": limit}).fetchall()
    except sqlite3.Error as error:
        raise JournalUnavailable(f"the journal {path} cannot be read ({error})") from error
    return [_event(row) for row in reversed(rows)]


def _event(row: sqlite3.Row) -> dict[str, object]:
    event: dict[str, object] = {key: row[key] for key in _DECISION_COLUMNS}
    event |= {"act": bool(row["act"]), "inputs": json.loads(row["inputs"]), "operation": None}
    if row["direction"] is not None:
        event["operation"] = {
            "direction": row["direction"],
            "from_vcpus": row["from_vcpus"],
            "to_vcpus": row["to_vcpus"],
            "stages_s": json.loads(row["stages"]),
            "outcome": row["outcome"],
            "detail": row["detail"],
        }
    return event
