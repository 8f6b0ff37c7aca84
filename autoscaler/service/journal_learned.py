"""What was learned of domains, as rows of the journal's table `learned`: collected first, then written.

Invariant: what was taken in is what is read, whether it was written by then or not.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from autoscaler.ports import Kept

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path

    from autoscaler.core.model import DomainId

_log = logging.getLogger("autoscaler")


class Collected:
    """What waits to be written."""

    def __init__(self) -> None:
        self._waits: dict[DomainId, tuple[float, str]] = {}
        """When it was kept, and the JSON of it."""

    def take(self, domain: DomainId, learned: Mapping[str, object], wall_s: float) -> None:
        """Have this wait in place of what was learned of the domain before."""
        self._waits[domain] = (wall_s, json.dumps(learned, separators=(",", ":")))

    def write(self, db: sqlite3.Connection, names: Mapping[DomainId, str | None]) -> None:
        """Write what waits of these domains, with their names, None: not known.

        It waits until it is told to be `written`: the transaction may fail.
        """
        db.executemany(
            "INSERT INTO learned (host, uuid, domain, at_wall_s, learned) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (host, uuid) DO UPDATE SET domain = coalesce(excluded.domain, domain),"
            " at_wall_s = excluded.at_wall_s, learned = excluded.learned",
            [
                (domain.host, domain.uuid, name, *self._waits[domain])
                for domain, name in names.items()
                if domain in self._waits
            ],
        )

    def write_all(self, db: sqlite3.Connection, names: Mapping[DomainId, str]) -> None:
        """Write all that waits; see `write`."""
        self.write(db, {domain: names.get(domain) for domain in self._waits})

    def written(self, domain: DomainId) -> None:
        """What waited of a domain is on the disk."""
        self._waits.pop(domain, None)

    def written_all(self) -> None:
        """All that waited is on the disk."""
        self._waits.clear()

    def read(self, db: sqlite3.Connection, domain: DomainId, path: Path) -> Kept | None:
        """What was last taken in of a domain; None: nothing, or it is damaged, which is said.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        found: tuple[float, str | bytes] | None = self._waits.get(domain)
        if found is None:
            # As bytes: text that is not UTF-8 is damage of this row, not of the journal.
            found = db.execute(
                "SELECT at_wall_s, CAST(learned AS BLOB) FROM learned WHERE host = ? AND uuid = ?",
                (domain.host, domain.uuid),
            ).fetchone()
        if found is None:
            return None
        at_wall_s, text = found
        learned = _parsed(text)
        if learned is None:
            _log.warning(
                "what was learned of the domain with the UUID %s of %s is damaged in the journal %s: it is "
                "learned anew",
                domain.uuid,
                domain.host,
                path,
            )
            return None
        return Kept(at_wall_s, learned)


def _parsed(text: str | bytes) -> dict[str, object] | None:
    """The JSON of what was learned; None where it is not that any more."""
    try:
        learned = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return learned if isinstance(learned, dict) else None
