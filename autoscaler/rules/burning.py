"""How fast an error budget burns: which windows are looked at, and from which share of bad slices on.

A burn rate of 1 spends the budget in exactly one SLO window. Each pair is a long window, that the alert means
something, and a short one, that it ends soon after the trouble does (Google's SRE workbook, chapter 5).
A rate alone says little where few slices may be bad: for 99.99 % of slices of 10 s, one in an hour burns at
28. Where events are few the workbook would have more of them, or an objective that is lower or over a longer
time. Slices are as many as there are, and the objective is the user's own; so each pair asks for a count of
bad ones, too. Nothing is told of a domain that was not there yet in the middle of the long window: its few
slices would stand for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autoscaler.rules.rule import ONE_DOMAIN, PREFIX, Recording, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autoscaler.core.policy import Sla

_ENOUGH_SLICES = 10
"""In a shorter window most slices had to be bad before two are."""
_SLICES = f"{PREFIX}_slo_slices_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two windows, the burn rate that both exceed, and how many bad slices each has at least."""

    long_s: float
    short_s: float
    burn_rate: float
    long_bad: int
    short_bad: int


FAST = (
    Pair(long_s=3600, short_s=300, burn_rate=14.4, long_bad=3, short_bad=2),
    Pair(long_s=21600, short_s=1800, burn_rate=6, long_bad=3, short_bad=2),
)
"""Of a budget for 30 days 2 % are spent in an hour, or 5 % in 6 hours.

What is shorter than a slice spoils two where it lies across their border: the third says that it lasts or
comes again, and the second in the short window that it has not ended.
"""
SLOW = (
    Pair(long_s=86400, short_s=7200, burn_rate=3, long_bad=2, short_bad=1),
    Pair(long_s=259200, short_s=21600, burn_rate=1, long_bad=2, short_bad=1),
)
"""10 % are spent in a day, or in 3 days. Of a budget of two slices the second is still told of."""


def pairs_of(sla: Sla, pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs that mean something for this service level: within its window, and with slices enough."""
    return tuple(
        replace(pair, short_s=max(pair.short_s, min(_ENOUGH_SLICES * sla.slice_s, pair.long_s / 2)))
        for pair in pairs
        if pair.long_s <= sla.window_s
    )


def recordings(pairs: Iterable[Pair]) -> tuple[Recording, ...]:
    """How many slices were bad, and which share of those known, in every window that these pairs look at."""
    windows = sorted({window_s for pair in pairs for window_s in (pair.long_s, pair.short_s)})
    found: list[Recording] = []
    for window_s in windows:
        known = _counted('outcome=~"good|bad"', window_s)
        found += [
            Recording(record=_count(window_s), expr=_counted('outcome="bad"', window_s)),
            Recording(record=_share(window_s), expr=f"{_count(window_s)}\n/\n{known}"),
        ]
    return tuple(found)


def burning(pairs: Iterable[Pair], allowed_ratio: float | None) -> str:
    """Domains whose budget burns by any of these pairs.

    Args:
        pairs: at least one.
        allowed_ratio: the share of slices that may be bad; None: what each domain's own objective leaves.
    """
    return "\nor\n".join(
        "(\n"
        f"  {_share(pair.long_s)} > {_limit(pair, allowed_ratio)}\n"
        "  and\n"
        f"  {_share(pair.short_s)} > {_limit(pair, allowed_ratio)}\n"
        f"  and {_count(pair.long_s)} >= {pair.long_bad}\n"
        f"  and {_count(pair.short_s)} >= {pair.short_bad}\n"
        f"  and {ONE_DOMAIN}\n"
        f"  {PREFIX}_slo_objective_ratio offset {span(pair.long_s / 2)}\n"
        ")"
        for pair in pairs
    )


def _limit(pair: Pair, allowed_ratio: float | None) -> str:
    if allowed_ratio is None:
        return f"{ONE_DOMAIN} {pair.burn_rate:g} * (1 - {PREFIX}_slo_objective_ratio)"
    return f"{round(pair.burn_rate * allowed_ratio, 9):g}"


def _count(window_s: float) -> str:
    """The name under which it is recorded how many of a window's slices were bad."""
    return f"domain:{PREFIX}_slo_bad_slices:increase{span(window_s)}"


def _share(window_s: float) -> str:
    """The name under which the bad share of a window's known slices is recorded."""
    return f"domain:{PREFIX}_slo_bad_slices:ratio_rate{span(window_s)}"


def _counted(which: str, window_s: float) -> str:
    return f"sum without (outcome) (increase({_SLICES}{{{which}}}[{span(window_s)}]))"
