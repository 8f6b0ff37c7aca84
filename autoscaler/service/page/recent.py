"""The last half hour of each domain, kept in memory for the small pictures of the page.

The journal writes its history ten minutes at a time; this is what is newer. Invariant: what was not measured
is NaN, and a domain that is gone takes its figures with it.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import IntEnum
from math import nan
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.core.slo import SliceOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.core.model import DomainId
    from autoscaler.service.snapshot import DomainSnapshot, Snapshot

STEPS = 60
"""How many steps are kept of a domain, the one under way not counted."""
SHORTEST_STEP_S = 30.0


class Judged(IntEnum):
    """What became of the slices that closed in a step."""

    NONE = 0
    GOOD = 1
    BAD = 2


class Step(NamedTuple):
    """What is known of a domain in one step; all of it numbers, as they are kept packed."""

    utilization: float
    """Mean over the step; NaN: not measured. So the next."""
    demand_vcpus: float
    online: float
    """As last seen in the step; 0: it was not seen. So the next two."""
    plugged: float
    upper: float
    judged: float
    """One of `Judged`."""


_UNSEEN = Step(utilization=nan, demand_vcpus=nan, online=0, plugged=0, upper=0, judged=Judged.NONE)
_WIDTH = len(_UNSEEN)


@dataclass(slots=True)
class _Kept:
    """One domain's steps, oldest first, and the one under way."""

    newest: DomainSnapshot
    good: int
    bad: int
    """Slices when the step under way began; so `good`."""
    packed: array[float] = field(default_factory=lambda: array("f", _UNSEEN * STEPS))
    utilization: float = 0.0
    """Sum over the looks that measured; so `demand_vcpus`."""
    demand_vcpus: float = 0.0
    measured: int = 0

    def see(self, domain: DomainSnapshot) -> None:
        """Take in one more look at it."""
        self.newest = domain
        if domain.load is not None:
            self.utilization += domain.load.utilization_ratio
            self.demand_vcpus += domain.load.demand_vcpus
            self.measured += 1

    def now(self) -> Step:
        """The step under way, as far as it has come."""
        good, bad = counted(self.newest)
        decision = self.newest.decision
        return Step(
            utilization=self.utilization / self.measured if self.measured else nan,
            demand_vcpus=self.demand_vcpus / self.measured if self.measured else nan,
            online=self.newest.online or 0,
            plugged=self.newest.view.plugged,
            upper=0 if decision is None else decision.upper,
            judged=Judged.BAD if bad > self.bad else Judged.GOOD if good > self.good else Judged.NONE,
        )

    def steps(self) -> list[Step]:
        """The whole steps, oldest first."""
        return [Step(*self.packed[place : place + _WIDTH]) for place in range(0, len(self.packed), _WIDTH)]

    def close(self, skipped: int) -> None:
        """Put the step under way to the others, and `skipped` empty ones behind it."""
        self.packed.extend(self.now() + _UNSEEN * min(skipped, STEPS))
        del self.packed[: -STEPS * _WIDTH]
        self.good, self.bad = counted(self.newest)
        self.utilization = self.demand_vcpus = 0.0
        self.measured = 0


def counted(domain: DomainSnapshot) -> tuple[int, int]:
    """Good and bad slices of a domain since it was first seen."""
    totals = domain.slo.slices_total
    return totals.get(SliceOutcome.GOOD, 0), totals.get(SliceOutcome.BAD, 0)


class Recent:
    """Fed with each snapshot, by one thread."""

    def __init__(self, interval_s: float) -> None:
        """`interval_s`: between two samples of a guest; a step is no shorter."""
        self.step_s = max(SHORTEST_STEP_S, interval_s)
        self._step = 0
        """Number of the step under way, counted from the epoch."""
        self._kept: dict[DomainId, _Kept] = {}

    def note(self, snapshot: Snapshot) -> bool:
        """Take in a snapshot; returns whether a step was closed by it."""
        step = int(snapshot.wall_s // self.step_s)
        passed = step - self._step if self._step else 0
        self._step = step
        kept: dict[DomainId, _Kept] = {}
        for domain in snapshot.domains:
            found = self._kept.get(domain.view.id) or _Kept(domain, *counted(domain))
            if passed > 0:
                found.close(passed - 1)
            found.see(domain)
            kept[domain.view.id] = found
        self._kept = kept
        return passed > 0

    def steps(self, domain: DomainId) -> Sequence[Step]:
        """The whole steps of a domain in the last snapshot, oldest first."""
        return self._kept[domain].steps()

    def course(self, domain: DomainId) -> list[tuple[float, Step]]:
        """Where each step begins in which a domain was seen, by the epoch; the one under way is the last."""
        found = self._kept.get(domain)
        if found is None:
            return []
        first = self._step - STEPS
        steps = enumerate([*found.steps(), found.now()])
        return [((first + number) * self.step_s, step) for number, step in steps if step.online]
