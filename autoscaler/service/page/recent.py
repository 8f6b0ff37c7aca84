"""The last half hour of each domain, kept in memory for the small pictures of the page.

The journal writes its history ten minutes at a time; this is what is newer. After a restart it begins with
what the journal has. Invariant: what was not measured is NaN, and a domain that is gone takes its figures
with it.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import isnan, nan
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.core.model import DomainId
from autoscaler.core.slo import SliceOutcome
from autoscaler.service.history import STEP_S as HISTORY_STEP_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autoscaler.service.history import Block
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


class _Figures(NamedTuple):
    """A step of the journal's history."""

    block: Block
    place: int


Past = dict[DomainId, Mapping[int, Step]]
"""Steps by their number, counted from the epoch."""
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

    def fill(self, past: Mapping[int, Step], under_way: int) -> None:
        """Put steps by their number where none was seen; `under_way` is the number of the one that is."""
        for number, step in past.items():
            place = (number - under_way + STEPS) * _WIDTH
            if 0 <= place < STEPS * _WIDTH and not Step(*self.packed[place : place + _WIDTH]).online:
                self.packed[place : place + _WIDTH] = array("f", step)

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


def recorded(blocks: Iterable[Block], step_s: float) -> Past:
    """What the journal's history has, in steps of `step_s`."""
    figures: dict[DomainId, dict[int, list[_Figures]]] = {}
    for block in blocks:
        steps = figures.setdefault(DomainId(host=block.host, uuid=block.uuid), {})
        for place, online in enumerate(block.online):
            if online:
                number = int((block.start_wall_s + place * HISTORY_STEP_S) // step_s)
                steps.setdefault(number, []).append(_Figures(block, place))
    return {
        domain: {number: _joined(found) for number, found in steps.items()}
        for domain, steps in figures.items()
    }


def _joined(found: Sequence[_Figures]) -> Step:
    """One step, of the shorter ones of the history; whether its slices were good is not in there."""
    measured = [(block, place) for block, place in found if not isnan(block.busy_vcpus[place])]
    used = [block.busy_vcpus[place] / block.online[place] for block, place in measured]
    wanted = [block.demand_vcpus[place] for block, place in measured]
    block, place = found[-1]
    return Step(
        utilization=fmean(used) if used else nan,
        demand_vcpus=fmean(wanted) if wanted else nan,
        online=block.online[place],
        plugged=block.plugged[place],
        upper=block.upper[place],
        judged=Judged.NONE,
    )


class Recent:
    """Fed with each snapshot, by one thread."""

    def __init__(self, interval_s: float) -> None:
        """`interval_s`: between two samples of a guest; a step is no shorter."""
        self.step_s = max(SHORTEST_STEP_S, interval_s)
        self._step = 0
        """Number of the step under way, counted from the epoch."""
        self._kept: dict[DomainId, _Kept] = {}
        self._past: Past = {}
        """From before the start, of domains that were not seen since."""

    def remember(self, past: Past) -> None:
        """Take in what was recorded before the start, for the domains that are there and those to come."""
        self._past = past
        for domain, kept in self._kept.items():
            kept.fill(self._past.pop(domain, {}), self._step)

    def note(self, snapshot: Snapshot) -> bool:
        """Take in a snapshot; returns whether a step was closed by it."""
        step = int(snapshot.wall_s // self.step_s)
        passed = step - self._step if self._step else 0
        self._step = step
        kept: dict[DomainId, _Kept] = {}
        for domain in snapshot.domains:
            found = self._kept.get(domain.view.id)
            if found is None:
                found = _Kept(domain, *counted(domain))
                found.fill(self._past.pop(domain.view.id, {}), step - max(passed, 0))
            if passed > 0:
                found.close(passed - 1)
            found.see(domain)
            kept[domain.view.id] = found
        self._kept = kept
        return passed > 0

    def figures(self, domain: DomainId, name: str) -> Sequence[float]:
        """What stands under a name in each whole `Step` of a domain in the last snapshot, oldest first."""
        return self._kept[domain].packed[Step._fields.index(name) :: _WIDTH]

    def course(self, domain: DomainId) -> list[tuple[float, Step]]:
        """Where each step begins in which a domain was seen, by the epoch; the one under way is the last."""
        found = self._kept.get(domain)
        if found is None:
            return []
        first = self._step - STEPS
        steps = enumerate([*found.steps(), found.now()])
        return [((first + number) * self.step_s, step) for number, step in steps if step.online]
