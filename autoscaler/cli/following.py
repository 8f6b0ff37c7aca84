"""Which decisions `events --follow` prints next.

Invariant: each is printed once, and a change that was under way once more when it ended, also where the
service was away in between, and where its journal was begun anew and counts its decisions from 1 again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Json = dict[str, Any]
MOST_AT_ONCE = 1000


class Following:
    """What was printed so far, as far as it matters for what is next."""

    def __init__(self, asked: Callable[[int], Sequence[Json]]) -> None:
        """`asked`: the newest decisions above an id, oldest first, `MOST_AT_ONCE` of them at most."""
        self._asked = asked
        self._last: Json | None = None
        self._open: frozenset[int] = frozenset()
        """Of those that were printed, whose changes are under way."""

    def taken(self, found: Sequence[Json]) -> list[Json]:
        """Of an answer, what is to be printed; it counts as printed."""
        newest = 0 if self._last is None else self._last["id"]
        fresh = [
            event
            for event in found
            if event["id"] > newest or (event["id"] in self._open and not _under_way(event))
        ]
        self._open = frozenset(event["id"] for event in found if _under_way(event))
        if found:
            self._last = found[-1]
        return fresh

    def next(self) -> list[Json]:
        """What has come since, to be printed.

        Raises:
            ServiceUnreachable: it is not known, and can be asked for again.
        """
        last = self._last
        if last is None:
            return self.taken(self._asked(0))
        # From the last one on, to see that it is still the same, and from changes on that were under way.
        found = self._asked(min(self._open | {last["id"]}) - 1)
        known = any((event["id"], event["at_wall_s"]) == (last["id"], last["at_wall_s"]) for event in found)
        if known or len(found) == MOST_AT_ONCE:
            return self.taken(found)
        # The journal was begun anew, or a copy was put in its place: ids say nothing, the time does.
        found = [event for event in self._asked(0) if event["at_wall_s"] > last["at_wall_s"]]
        if not found:
            return []
        self._last = None
        return self.taken(found)


def _under_way(event: Json) -> bool:
    return event["operation"] is not None and event["operation"]["outcome"] is None
