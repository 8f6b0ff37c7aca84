"""Which domains of the journal a text means: a UUID, a name, or a label as `snapshot.labels_of` has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

Condition = tuple[str, dict[str, str]]
"""An SQL condition on the decisions ``d``, and the values of its parameters."""

_MOST_AT_SIGNS = 8
"""How many parts of a label are tried as the host's name, which seldom has more than one of these signs."""


def meant_by(text: str, db: sqlite3.Connection) -> Condition:
    """The condition that picks the decisions of the domain that a text means; of none, where it means none.

    A UUID comes before a name and a name before a label, so that nobody takes another's place by what he
    calls his domain.
    """
    # Only what came in over a wrong decoding is changed by this; no domain is called so.
    text = text.encode(errors="backslashreplace").decode()
    by_uuid: Condition = ("d.uuid = :uuid", {"uuid": text.lower()})
    for which, named in (by_uuid, ("d.domain = :name", {"name": text}), *_as_label(text)):
        if db.execute(f"SELECT 1 FROM decisions d WHERE {which} LIMIT 1", named).fetchone():  # noqa: S608 - own conditions
            return which, named
    return by_uuid


def _as_label(text: str) -> Iterator[Condition]:
    """What a text may mean as a label: NAME@HOST, NAME@HOST#UUID or NAME#UUID."""
    stem, mark, uuid = text.rpartition("#")
    if mark:
        which = "d.uuid = :uuid AND :stem IN (d.domain, d.domain || '@' || d.host)"
        yield which, {"uuid": uuid.lower(), "stem": stem}
    name = text
    for _ in range(_MOST_AT_SIGNS):
        name, mark, _ = name.rpartition("@")
        if not mark:
            return
        host = text[len(name) + 1 :]
        yield "d.domain = :name AND d.host = :host", {"name": name, "host": host}
