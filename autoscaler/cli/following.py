"""Which decisions `events --follow` prints next.

Invariants: each is printed once, and a change that was under way once more when it ended, also where the
service was away in between, and where its journal was begun anew and counts its decisions from 1 again. What
is printed at one time is in the order of its own times, and the end of a change never has an earlier time
than what stands above it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autoscaler.core.operation import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Json = dict[str, Any]
MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be printed, and at which time it happened."""

    event: Json
    at_wall_s: float


class Following:
    """What was printed so far, as far as it matters for what is next."""

    def __init__(self, asked: Callable[[int], Sequence[Json]]) -> None:
        """`asked`: the newest decisions above an id, oldest first, `MOST_AT_ONCE` of them at most."""
        self._asked = asked
        self._last: Json | None = None
        self._open: frozenset[int] = frozenset()
        """Of those that were printed, whose changes are under way."""
        self._told_wall_s = 0.0
        """The latest time that was printed."""

    def taken(self, found: Sequence[Json]) -> list[Told]:
        """Of an answer, what is to be printed; it counts as printed."""
        newest = 0 if self._last is None else self._last["id"]
        fresh = [Told(event, event["at_wall_s"]) for event in found if event["id"] > newest]
        fresh += [
            Told(event, max(self._told_wall_s, _ended_wall_s(event)))
            for event in found
            if event["id"] <= newest and event["id"] in self._open and not _under_way(event)
        ]
        fresh.sort(key=lambda told: told.at_wall_s)
        self._told_wall_s = max((self._told_wall_s, *(told.at_wall_s for told in fresh)))
        self._open = frozenset(event["id"] for event in found if _under_way(event))
        if found:
            self._last = found[-1]
        return fresh

    def next(self) -> list[Told]:
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


def _ended_wall_s(event: Json) -> float:
    """When a change ended: at its last stage where all went well, else when it was counted as over.

    Where the service does not know that either: about now, since it is seen now.
    """
    change = event["operation"]
    if change["outcome"] == Outcome.DONE and change["stages_s"]:
        return float(event["at_wall_s"] + max(change["stages_s"].values()))
    ended_wall_s = change.get("ended_wall_s")
    return time.time() if ended_wall_s is None else float(ended_wall_s)
