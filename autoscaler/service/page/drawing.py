"""Paths of SVG: figures to the attribute ``d``, in whole tenths so that equal pictures are equal texts."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from autoscaler.service.page.recent import STEPS, Judged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SPARK_HEIGHT = 24
"""Of a small picture; its width is a unit a step."""


def spark_line(ratios: Sequence[float]) -> str:
    """Shares of 0 to 1 as a line; not measured is a gap, and what is larger than 1 is drawn at 1."""
    return _joined(
        None if isnan(ratio) else f"{_MIDDLES[place]} {_HEIGHTS[round(_TENTHS * min(max(ratio, 0.0), 1.0))]}"
        for place, ratio in enumerate(ratios)
    )


def spark_ticks(judged: Sequence[float], wanted: Judged) -> str:
    """A tick for each step with that outcome: bad ones as high as the picture, good ones a third of it."""
    top = 0 if wanted is Judged.BAD else 2 * SPARK_HEIGHT // 3
    return "".join(
        [f"M{_MIDDLES[place]} {SPARK_HEIGHT}V{top}" for place, found in enumerate(judged) if found == wanted]
    )


def line(points: Iterable[tuple[float, float | None]]) -> str:
    """A line through points, interrupted where one is None; a point between two gaps is a short dash."""
    return _joined(None if y is None else f"{short(x)} {short(y)}" for x, y in points)


def _joined(points: Iterable[str | None]) -> str:
    runs: list[list[str]] = [[]]
    for point in points:
        if point is not None:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return "".join(f"M{'L'.join(run)}{'h.5' if len(run) == 1 else ''}" for run in runs if run)


def steps(points: Iterable[tuple[float, float, float | None]]) -> str:
    """A stepped line through (from, to, height), interrupted where a height is None."""
    parts: list[str] = []
    at: tuple[float, float] | None = None
    for left, right, y in points:
        if y is None:
            at = None
            continue
        if at is None or left > at[0] + 0.05:
            parts.append(f"M{short(left)} {short(y)}")
        elif y != at[1]:
            parts.append(f"V{short(y)}")
        parts.append(f"H{short(right)}")
        at = (right, y)
    return "".join(parts)


def short(figure: float) -> str:
    """A figure in whole tenths."""
    return f"{figure:.1f}".removesuffix(".0")


_TENTHS = 10 * SPARK_HEIGHT
_HEIGHTS = [short(SPARK_HEIGHT - tenth / 10) for tenth in range(_TENTHS + 1)]
"""Texts of where a share of so many tenths of the height is drawn: a thousand domains have 60,000 of them."""
_MIDDLES = [short(place + 0.5) for place in range(STEPS)]
"""The same of the steps."""
