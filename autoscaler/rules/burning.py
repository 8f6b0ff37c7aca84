"""How fast an error budget burns, in PromQL: the windows of `autoscaler.core.burning` and their bad slices.

Nothing is told of a domain that was not there yet in the middle of the long window: its few slices would
stand for all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.rules.rule import ONE_DOMAIN, PREFIX, Recording, span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoscaler.core.burning import Pair

_SLICES = f"{PREFIX}_slo_slices_total"


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
        f"{_at_least(pair.long_bad, pair.long_s)}"
        f"{_at_least(pair.short_bad, pair.short_s)}"
        f"  and {ONE_DOMAIN}\n"
        f"  {PREFIX}_slo_objective_ratio offset {span(pair.long_s / 2)}\n"
        ")"
        for pair in pairs
    )


def _limit(pair: Pair, allowed_ratio: float | None) -> str:
    if allowed_ratio is None:
        return f"{ONE_DOMAIN} {pair.burn_rate:g} * (1 - {PREFIX}_slo_objective_ratio)"
    return f"{round(pair.burn_rate * allowed_ratio, 9):g}"


def _at_least(bad: int, window_s: float) -> str:
    """One bad slice is what any rate asks for."""
    return f"  and {_count(window_s)} >= {bad}\n" if bad > 1 else ""


def _count(window_s: float) -> str:
    """The name under which it is recorded how many of a window's slices were bad."""
    return f"domain:{PREFIX}_slo_bad_slices:increase{span(window_s)}"


def _share(window_s: float) -> str:
    """The name under which the bad share of a window's known slices is recorded."""
    return f"domain:{PREFIX}_slo_bad_slices:ratio_rate{span(window_s)}"


def _counted(which: str, window_s: float) -> str:
    return f"sum without (outcome) (increase({_SLICES}{{{which}}}[{span(window_s)}]))"
