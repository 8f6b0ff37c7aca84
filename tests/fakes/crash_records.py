"""What the journal of a service that was killed says of it: what it intended, and what it decided."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from tests.fakes.crash_guests import MOST_VCPUS, Inhabitant


@dataclass(frozen=True, slots=True)
class Intent:
    wall_s: float
    to_vcpus: int
    direction: str
    """``up``, ``down`` or ``unplug``."""
    outcome: str | None

    @property
    def open(self) -> bool:
        """Whether it is under way, as far as is on record."""
        return self.outcome is None


def taken_for_others(db: sqlite3.Connection) -> Iterator[str]:
    """The decisions that took a change of the service's own for somebody else's, with what it did before."""
    rows = db.execute(
        "SELECT id, domain, at_wall_s, plugged, online FROM decisions"
        " WHERE reason = 'changed-by-hand' ORDER BY id"
    ).fetchall()
    for row, domain, at_wall_s, plugged, online in rows:
        changes = db.execute(
            "SELECT d.at_wall_s - ?, o.* FROM operations o JOIN decisions d ON d.id = o.decision_id"
            " WHERE d.domain = ? AND d.id < ? ORDER BY d.id DESC LIMIT 5",
            (at_wall_s, domain, row),
        ).fetchall()
        yield f"{domain}: {online} of {plugged} were taken for somebody else's, after {changes}"


def wrong_decisions(db: sqlite3.Connection) -> Iterator[str]:
    """What the journal has of decisions that are not to be made, whatever befalls the service."""
    for sentence, condition in (
        (
            "took vCPUs on missing data",
            "act AND next_vcpus <= online AND json_extract(inputs, '$.missing') IS NOT NULL",
        ),
        ("left the bounds of their policy", f"target NOT BETWEEN 1 AND {MOST_VCPUS}"),
        (
            "were made by another policy than the good one",
            "policy_digest <> (SELECT policy_digest FROM decisions ORDER BY id LIMIT 1)",
        ),
    ):
        count = db.execute(f"SELECT count(*) FROM decisions WHERE {condition}").fetchone()[0]
        if count:
            yield f"{count} decisions {sentence}"


def ran(guest: Inhabitant, intent: Intent) -> bool:
    """Whether a guest ran what a change asked for since that began; one booted since tells nothing."""
    counts, up = guest.guest.ran, intent.direction == "up"
    if intent.wall_s < guest.booted_wall_s:
        return True
    ends_s = [*(at_s for at_s, _ in counts[1:]), math.inf]
    return any(
        end_s >= intent.wall_s and (online >= intent.to_vcpus if up else online <= intent.to_vcpus)
        for (_, online), end_s in zip(counts, ends_s, strict=True)
    )


def ends(later: Intent, earlier: Intent) -> bool:
    """Whether a change that begins is in the way of one before it: a shrink leaves a removal alone."""
    kinds = {earlier.direction == "unplug", later.direction == "unplug"}
    return len(kinds) == 1 or later.direction == "up"


def intents_of(db: sqlite3.Connection, uuid: str) -> list[Intent]:
    rows = db.execute(
        "SELECT o.at_wall_s, o.to_vcpus, o.direction, o.outcome FROM operations o"
        " JOIN decisions d ON d.id = o.decision_id WHERE d.uuid = ? ORDER BY d.id",
        (uuid,),
    )
    return [Intent(*row) for row in rows]
