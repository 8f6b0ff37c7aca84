"""Whether a promise is being broken now: its error budget burns faster than it can last, and still does.

A burn rate of 1 spends the budget in exactly one SLO window. Each pair is a long window, that it means
something, and a short one, that it ends soon after the trouble does (Google's SRE workbook, chapter 5). The
alerts for Prometheus are made from the same pairs, so that page, terminal and alert go by the same figures.
A rate alone says little where few slices may be bad: for 99.99 % of slices of 10 s, one in an hour burns at
28. Where events are few the workbook would have more of them, or an objective that is lower or over a longer
time. Slices are as many as there are, and the objective is the user's own; so before anybody is woken up, bad
slices are counted, too.

That takes minutes of nothing but bad slices; meanwhile the promise is at risk, which wakes nobody.

Invariants: where no slice of the last hour was bad, nothing is being broken; one bad slice among few never is
a broken promise, since slices that are not known stand for good ones until half of the long window is known.
A promise is at risk only after bad slices, and never while it is being broken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.core.policy import Sla
    from autoscaler.core.slice_ledger import SliceLedger
    from autoscaler.core.slice_rings import Count

_ENOUGH_SLICES = 10
"""In a shorter window most slices had to be bad before two are."""
_FEWEST_BAD = 3
"""Where less than half of a long window is known."""
_NOW_S = 3600.0
"""What was bad before is over: a budget that burned for days is no trouble while the load is served."""
_IN_A_ROW = 2
"""Bad slices that put a promise at risk: a single one may be all of a burst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two windows, the burn rate that both exceed, and how many bad slices each has at least."""

    long_s: float
    short_s: float
    burn_rate: float
    long_bad: int = 1
    short_bad: int = 1


FAST = (
    Pair(long_s=3600, short_s=300, burn_rate=14.4, long_bad=3, short_bad=2),
    Pair(long_s=21600, short_s=1800, burn_rate=6, long_bad=3, short_bad=2),
)
"""Of a budget for 30 days 2 % are spent in an hour, or 5 % in 6 hours.

What is shorter than a slice spoils two where it lies across their border: the third says that it lasts or
comes again, and the second in the short window that it has not ended.
"""
SLOW = (
    Pair(long_s=86400, short_s=7200, burn_rate=3),
    Pair(long_s=259200, short_s=21600, burn_rate=1),
)
"""10 % are spent in a day, or in 3 days. Where one slice is as much it is told of, though nobody is woken up:
one every few days would spend such a budget.
"""
_SPENT = Pair(long_s=21600, short_s=1800, burn_rate=1)
"""Where nothing is left of the budget, any pace beyond the promise breaks it further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """How a promise is being broken."""

    kept_ratio: float
    """Good share of the known slices, over the long window of the pair that burns."""
    known_s: float
    """How much of that was measured."""
    whole: bool
    """Whether all that was seen of that window was measured."""
    lasts_s: float
    """How long the budget lasts at this pace; 0: it is spent."""
    served_s: float = 0.0
    """How long ago the last bad slice ended, where good ones followed; 0: none has."""


def pairs_of(sla: Sla, pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs that mean something for this service level: within its window, and with slices enough."""
    return tuple(
        replace(pair, short_s=max(pair.short_s, min(_ENOUGH_SLICES * sla.slice_s, pair.long_s / 2)))
        for pair in pairs
        if pair.long_s <= sla.window_s
    )


@lru_cache(maxsize=1024)
def _all_pairs(sla: Sla, spent: bool) -> tuple[Pair, ...]:  # noqa: FBT001 - it is a key
    """Those that are looked at, which is done after every slice of a domain that had a bad one."""
    return pairs_of(sla, (*FAST, *SLOW, *((_SPENT,) if spent else ())))


def allowed_ratio(sla: Sla) -> float:
    """Share of the slices that may be bad."""
    # 1 - 0.95 is not quite 0.05 in floating point, and a budget of 18 slices is spent by 18.
    return round(1 - sla.objective_ratio, 9)


def burn(sla: Sla, ledger: SliceLedger) -> Burn | None:
    """How the promise is being broken, by the first pair that burns; None: it is not.

    Costs next to nothing where the last hour has no bad slice.
    """
    if not ledger.last(_NOW_S).bad:
        return None
    allowed = allowed_ratio(sla)
    left = allowed * ledger.window - ledger.in_window().bad
    spent = left <= 0
    for pair in _all_pairs(sla, spent):
        long, limit = ledger.last(pair.long_s), pair.burn_rate * allowed
        if long.bad >= pair.long_bad and _bad_share(long, pair.long_s / sla.slice_s) > limit:
            short = ledger.last(pair.short_s)
            if short.bad >= pair.short_bad and short.bad / short.known > limit:
                return Burn(
                    kept_ratio=long.good / long.known,
                    known_s=long.known * sla.slice_s,
                    whole=long.unknown == 0,
                    lasts_s=0.0 if spent else left * long.known / long.bad * sla.slice_s,
                    served_s=ledger.since_bad() * sla.slice_s,
                )
    return None


def at_risk_s(sla: Sla, ledger: SliceLedger) -> float:
    """For how much measured time no slice has been good, where `burn` finds nothing; 0: no risk.

    It takes two bad slices in a row, and ends with a good one, or once more of the time since the first of
    them was not measured than was.
    """
    since_good = ledger.since_good()
    if since_good.bad < _IN_A_ROW or since_good.unknown > since_good.bad:
        return 0.0
    return since_good.bad * sla.slice_s


def _bad_share(count: Count, slices: float) -> float:
    """Bad share of the known slices of a window of so many; of all of these, where few are known."""
    if 2 * count.known >= slices:
        return count.bad / count.known
    return count.bad / slices if count.bad >= _FEWEST_BAD else 0.0
