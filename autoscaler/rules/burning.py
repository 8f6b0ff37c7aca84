"""How fast an error budget burns: which windows are looked at, and from which share of bad slices on.

A burn rate of 1 spends the budget in exactly one SLO window. Each pair is a long window, that the alert means
something, and a short one, that it ends soon after the trouble does (Google's SRE workbook, chapter 5).
Nothing is told of a domain that was not there yet in the middle of the long window: its few slices would
stand for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.rules.rule import ONE_DOMAIN, PREFIX, Recording, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autoscaler.core.policy import Sla

_FEWEST_SLICES = 3
"""A shorter window would see no slice close, or only one."""
_SLICES = f"{PREFIX}_slo_slices_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two windows, and the burn rate that both have to exceed."""

    long_s: float
    short_s: float
    burn_rate: float


FAST = (
    Pair(long_s=3600, short_s=300, burn_rate=14.4),
    Pair(long_s=21600, short_s=1800, burn_rate=6),
)
"""Of a budget for 30 days 2 % are spent in an hour, or 5 % in 6 hours."""
SLOW = (
    Pair(long_s=86400, short_s=7200, burn_rate=3),
    Pair(long_s=259200, short_s=21600, burn_rate=1),
)
"""10 % are spent in a day, or in 3 days."""


def pairs_of(sla: Sla, pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs that mean something for this service level: within its window, and with slices enough."""
    return tuple(
        Pair(
            long_s=pair.long_s,
            short_s=max(pair.short_s, _FEWEST_SLICES * sla.slice_s),
            burn_rate=pair.burn_rate,
        )
        for pair in pairs
        if pair.long_s <= sla.window_s
    )


def recorded(window_s: float) -> str:
    """The name under which the bad share of a window's known slices is recorded."""
    return f"domain:{PREFIX}_slo_bad_slices:ratio_rate{span(window_s)}"


def recordings(pairs: Iterable[Pair]) -> tuple[Recording, ...]:
    """The bad share of every window that these pairs look at."""
    windows = sorted({window_s for pair in pairs for window_s in (pair.long_s, pair.short_s)})
    return tuple(Recording(record=recorded(window_s), expr=_bad_share(window_s)) for window_s in windows)


def burning(pairs: Iterable[Pair], allowed_ratio: float | None) -> str:
    """Domains whose budget burns by any of these pairs.

    Args:
        pairs: at least one.
        allowed_ratio: the share of slices that may be bad; None: what each domain's own objective leaves.
    """
    return "\nor\n".join(
        "(\n"
        f"  {recorded(pair.long_s)} > {_limit(pair, allowed_ratio)}\n"
        "  and\n"
        f"  {recorded(pair.short_s)} > {_limit(pair, allowed_ratio)}\n"
        f"  and {ONE_DOMAIN}\n"
        f"  {PREFIX}_slo_objective_ratio offset {span(pair.long_s / 2)}\n"
        ")"
        for pair in pairs
    )


def _limit(pair: Pair, allowed_ratio: float | None) -> str:
    if allowed_ratio is None:
        return f"{ONE_DOMAIN} {pair.burn_rate:g} * (1 - {PREFIX}_slo_objective_ratio)"
    return f"{round(pair.burn_rate * allowed_ratio, 9):g}"


def _bad_share(window_s: float) -> str:
    window = span(window_s)
    return (
        f'sum without (outcome) (increase({_SLICES}{{outcome="bad"}}[{window}]))\n'
        "/\n"
        f'sum without (outcome) (increase({_SLICES}{{outcome=~"good|bad"}}[{window}]))'
    )
