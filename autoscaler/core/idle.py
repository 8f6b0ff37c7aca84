"""Since when a domain has used no more than so many vCPUs, for each count, and how that outlives the service.

What a domain used most within any time up to now is told by a few steps: each is a count with the time since
when no more was used, and the next has a smaller count and a time no earlier. A use takes away the steps
below it. A vCPU that is plugged counts as used in that moment, whoever plugged it.

Invariants: of no count it is said that it was enough earlier than it was; there are no more steps than there
are counts. What was kept stands for a domain that has as many vCPUs plugged and did not leave; what was begun
here after that is taken in from the changes on record, and where these do not reach back so far, nothing
stands. The time in which nobody looked counts for a count only if the domain used no more when it was kept,
and no more at the first look after.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from autoscaler.core.dumped import LONGEST_S, ago_s, branch, branches, number, whole
from autoscaler.core.learned import DAY_S
from autoscaler.core.left_behind import LATE_S
from autoscaler.core.model import MOST_VCPUS
from autoscaler.core.operation import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autoscaler.core.operation import Operation

_KEY = "idle"


class IdleTime:
    """The use of one domain's vCPUs, looking back from now."""

    def __init__(self) -> None:
        self._plugged = 0
        """As last seen."""
        self._steps: list[tuple[int, float]] = []
        """Ever fewer vCPUs, each with the time since when no more were used; the last: those used now."""

    def since_s(self, vcpus: int) -> float | None:
        """Since when the domain has used no more than so many; None: it uses more, or was not seen yet."""
        return next((since_s for count, since_s in self._steps if count <= vcpus), None)

    def look(self, plugged: int, used: int, now_s: float) -> None:
        """Take in what is plugged and used now."""
        if plugged > self._plugged:
            self.use(plugged, now_s)
        self._plugged = plugged
        self.use(used, now_s)

    def use(self, vcpus: int, now_s: float) -> None:
        """So many vCPUs are used from now on, or count as if they were."""
        steps = self._steps
        if steps and steps[-1][0] == vcpus:
            return
        since_s = now_s
        while steps and steps[-1][0] < vcpus:
            since_s = steps.pop()[1]
        if not steps or steps[-1][0] > vcpus:
            steps.append((vcpus, since_s))

    def dump(self, now_s: float) -> dict[str, object]:
        """As plain JSON values, times as ages; nothing where nothing was seen."""
        if not self._steps:
            return {}
        steps = [{"vcpus": count, "ago_s": ago_s(now_s, since_s)} for count, since_s in self._steps]
        return {_KEY: {"plugged": self._plugged, "steps": steps}}

    @classmethod
    def restore(
        cls,
        dumped: Mapping[str, object],
        plugged: int,
        now_s: float,
        *,
        away_s: float,
        past: Iterable[Operation],
    ) -> IdleTime:
        """What was dumped `away_s` ago, as far as it can be read and still counts.

        `past`: the changes of the last day, the oldest first.
        """
        restored, away_s = cls(), max(0.0, away_s)
        if away_s + LATE_S > DAY_S:
            return restored
        with suppress(ValueError):
            restored._load(branch(dumped, _KEY), now_s - away_s)
        if restored._plugged != plugged or not restored._steps:
            return cls()
        for operation in past:
            if not operation.unplugs and operation.requested_s >= now_s - away_s - LATE_S:
                restored._take_up(operation, now_s)
        return restored

    def _load(self, kept: Mapping[str, object], kept_s: float) -> None:
        """Read the steps, all of them or none."""
        steps: list[tuple[int, float]] = []
        most_vcpus, longest_s = MOST_VCPUS, LONGEST_S
        for step in branches(kept, "steps", MOST_VCPUS):
            most_vcpus = whole(step, "vcpus", 0, most_vcpus)
            longest_s = number(step, "ago_s", 0.0, longest_s)
            steps.append((most_vcpus, kept_s - longest_s))
            most_vcpus -= 1
        self._plugged, self._steps = whole(kept, "plugged", 0, MOST_VCPUS), steps

    def _take_up(self, operation: Operation, now_s: float) -> None:
        """Take in a change that the run before may have begun after it kept this.

        The clocks of the two may tell otherwise what came first: nothing is earlier than what was kept.
        """
        kept_s = self._steps[-1][1]
        self.use(
            max(operation.from_vcpus, operation.to_vcpus), min(max(operation.requested_s, kept_s), now_s)
        )
        if operation.direction is Direction.DOWN and operation.online_s is not None:
            self.use(operation.to_vcpus, min(max(operation.online_s, kept_s), now_s))
