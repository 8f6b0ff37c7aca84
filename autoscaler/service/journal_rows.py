"""The rows that the journal writes, each as part of a transaction; `journal_schema` has the tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from autoscaler.core.learned import DAY_S
from autoscaler.core.left_behind import OVERTAKEN, UNFOLLOWED
from autoscaler.core.model import DomainId
from autoscaler.core.operation import Direction, Outcome
from autoscaler.service.decision_record import inputs_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

    from autoscaler.core.decision import Decision
    from autoscaler.core.operation import Operation


_SUPERSEDES = {
    Direction.UP: (Direction.UP, Direction.DOWN, Direction.UNPLUG),
    Direction.DOWN: (Direction.UP, Direction.DOWN, Direction.DOWN),
    Direction.UNPLUG: (Direction.UNPLUG,) * 3,
}
"""Which open changes end by one that begins: a growth also ends a removal, which no shrink does."""
_HELD, _ENDED = "held", "ended"
"""What is noted among the stages and is none."""
_WITH_END = f"iif(json_valid(stages), json_set(stages, '$.{_ENDED}', ? - operations.at_wall_s), stages)"
_NOT_SEEN_AGAIN = f"{UNFOLLOWED}, and did not see the end of it later"
GONE_AFTER_S = 3600.0
"""A domain that was not decided for so long is gone."""


def insert_decision(db: sqlite3.Connection, decision: Decision, wall_s: float, digest: str) -> int:
    """Add a decision; returns its id."""
    row: dict[str, str | int | float] = {
        "at_wall_s": wall_s,
        "until_wall_s": wall_s,
        "host": decision.domain.host,
        "uuid": decision.domain.uuid,
        "domain": decision.name,
        "policy": decision.policy,
        "policy_digest": digest,
        "mode": decision.mode,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "act": int(decision.act),
        "plugged": decision.plugged,
        "online": decision.online,
        "proposed": decision.proposed,
        "target": decision.target,
        "next_vcpus": decision.next_vcpus,
        "inputs": json.dumps(inputs_of(decision)),
    }
    names = ", ".join(row)
    places = ", ".join(f":{name}" for name in row)
    cursor = db.execute(f"INSERT INTO decisions ({names}) VALUES ({places})", row)  # noqa: S608 - own names
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def insert_operation(
    db: sqlite3.Connection, row: int, decision: Decision, wall_s: float, *, before: int
) -> list[int]:
    """Add the operation that the decision of this id begins, and close what was open in its way.

    Up to the decision `before` that was an earlier run's, and nobody saw its end; the rest is superseded.
    Both at once: a service that is killed then leaves none open behind another.

    Returns:
        The decisions whose operations were closed.
    """
    change = change_of(decision)
    closed = db.execute(
        f"UPDATE operations SET stages = {_WITH_END},"  # noqa: S608 - own words
        " outcome = iif(decision_id <= ?, ?, ?), detail = iif(decision_id <= ?, ?, '')"
        " WHERE outcome IS NULL AND direction IN (?, ?, ?)"
        " AND EXISTS (SELECT 1 FROM decisions WHERE id = decision_id AND host = ? AND uuid = ?)"
        " RETURNING decision_id",
        (
            *(wall_s, before, Outcome.ABANDONED, Outcome.SUPERSEDED, before, OVERTAKEN),
            *_SUPERSEDES[change[0]],
            *decision.domain,
        ),
    ).fetchall()
    db.execute(
        "INSERT INTO operations (decision_id, at_wall_s, domain, direction, from_vcpus, to_vcpus, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (row, wall_s, decision.name, *change, decision.reason),
    )
    return [row for (row,) in closed]


def change_of(decision: Decision) -> tuple[Direction, int, int]:
    """Which way the change goes that a decision begins, from how many vCPUs to how many."""
    if decision.unplug_to is not None:
        return Direction.UNPLUG, decision.plugged, decision.unplug_to
    up = decision.next_vcpus > decision.online
    return Direction.UP if up else Direction.DOWN, decision.online, decision.next_vcpus


def write_ended(db: sqlite3.Connection, operations: Iterable[Operation]) -> None:
    """Note how these operations ended, and when they passed each stage."""
    db.executemany(
        "UPDATE operations SET stages = ?, outcome = ?, detail = ? WHERE decision_id = ?",
        [
            (_stages_of(operation), operation.outcome, operation.detail, operation.decision_id)
            for operation in operations
        ],
    )


def look_over(db: sqlite3.Connection) -> int:
    """The id of the newest decision, 0: there is none.

    Read with it is what will be written to, so that a damaged file shows at the start and not in a tick.

    Raises:
        sqlite3.Error: it is damaged.
    """
    db.execute("SELECT * FROM operations WHERE outcome IS NULL").fetchall()
    newest = db.execute("SELECT * FROM decisions ORDER BY id DESC LIMIT 1").fetchone()
    return 0 if newest is None else int(newest[0])


def give_up(
    db: sqlite3.Connection, now_wall_s: float, governed: Collection[DomainId], *, before: int
) -> None:
    """Close what nobody sees the end of any more.

    That is what was begun long ago for domains that are governed no more; and up to the decision `before`,
    which was an earlier run's, what was begun so long ago that this run did not take it in.
    """
    rows = db.execute(
        "SELECT decision_id, host, uuid, operations.at_wall_s FROM operations"
        " JOIN decisions ON decisions.id = decision_id"
        " WHERE outcome IS NULL AND operations.at_wall_s < ?",
        (now_wall_s - GONE_AFTER_S,),
    )
    db.executemany(
        f"UPDATE operations SET outcome = ?, detail = ?, stages = {_WITH_END} WHERE decision_id = ?",  # noqa: S608 - own words
        [
            (Outcome.ABANDONED, _NOT_SEEN_AGAIN, now_wall_s, decision_id)
            for decision_id, host, uuid, at_wall_s in rows.fetchall()
            if DomainId(host, uuid) not in governed
            or (decision_id <= before and at_wall_s < now_wall_s - DAY_S)
        ],
    )


def _stages_of(operation: Operation) -> str:
    """The stages as JSON; ``held`` among them says that their times tell nothing of the host.

    ``ended`` is when the service counted the change as over, in seconds from the request as the others.
    """
    noted: dict[str, object] = {**operation.stages_s()}
    if operation.held:
        noted[_HELD] = True
    if operation.ended_s is not None:
        noted[_ENDED] = operation.ended_s - operation.requested_s
    return json.dumps(noted)


def stages_s(text: str) -> dict[str, float]:
    """Seconds from the request to each stage that was reached, by its name.

    Raises:
        ValueError: the text is damaged.
    """
    return {name: after_s for name, after_s in _times_s(text).items() if name != _ENDED}


def ended_after_s(text: str) -> float | None:
    """Seconds from the request until a change was over; None: it is not, or an earlier version noted its end.

    Raises:
        ValueError: the text is damaged.
    """
    return _times_s(text).get(_ENDED)


def _times_s(text: str) -> dict[str, float]:
    times_s = json.loads(text)
    if isinstance(times_s, dict):
        times_s.pop(_HELD, None)
    if not isinstance(times_s, dict) or not all(isinstance(after_s, float) for after_s in times_s.values()):
        raise ValueError(f"these are no stages: {text[:40]!r}")
    return times_s


def insert_history(db: sqlite3.Connection, blocks: Iterable[tuple[str, str, str, float, bytes]]) -> None:
    """Add blocks of the history: host, UUID, name, where it starts, and the figures."""
    db.executemany(
        "INSERT INTO history (host, uuid, domain, start_wall_s, packed) VALUES (?, ?, ?, ?, ?)", blocks
    )
