"""What is left of the error budgets as time goes on, of half of the domains and of nearly all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autoscaler.replay.report.canvas import BLUE, ORANGE, RED, picture
from autoscaler.replay.result import AGAINST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from matplotlib.figure import Figure

    from autoscaler.replay.judged import Spending

_POINTS = 400
_BAD, _UNKNOWN = 1, 2
_LEAST_SHOWN = -100.0
"""Percent: a domain that overspent many times must not press all others flat."""


def budget_picture(spent: Mapping[str, Sequence[Spending]], labels: Mapping[str, str]) -> bytes:
    """A PNG."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for name, of_domains in spent.items():
            days, left = _left(of_domains)
            color = ORANGE if name == AGAINST else BLUE
            low, middle, high = np.nanpercentile(left, (10, 50, 90), axis=0)
            axes.fill_between(days, low, high, color=color, alpha=0.22, linewidth=0)
            axes.plot(days, middle, color=color, linewidth=1.8, label=f"{labels[name]}: median")
            worst = np.nanmin(left, axis=0)
            axes.plot(days, worst, color=color, linewidth=1.2, linestyle=":", label=f"{labels[name]}: worst")
        axes.axhline(0, color=RED, linewidth=1.2, linestyle=(0, (5, 4)))
        axes.set_ylim(max(axes.get_ylim()[0], _LEAST_SHOWN), 105)
        axes.set_xlim(left=0)
        axes.set_xlabel("days since the trace began")
        axes.set_ylabel("budget left, %")
        title = "Error budget over the trace (band: the middle 80 % of the domains)"
        axes.set_title(title, loc="left", fontsize=12)
        figure.legend(loc="outside lower center", ncols=2, fontsize=10)

    return picture(9, 4, draw)


def _left(of_domains: Sequence[Spending]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Days, shape (points,), and percent left, shape (domains, points); NaN after a trace's end."""
    span_s = max(len(spending.slices) * spending.sla.slice_s for spending in of_domains)
    times_s = np.linspace(0, span_s, _POINTS)
    left = np.full((len(of_domains), _POINTS), np.nan)
    for row, spending in zip(left, of_domains, strict=True):
        known = int((spending.slices != _UNKNOWN).sum())
        allowed = (1 - spending.sla.objective_ratio) * known
        if not allowed:
            continue
        bad = np.concatenate([[0], np.cumsum(spending.slices == _BAD)])
        number = (times_s / spending.sla.slice_s).astype(np.int64)
        inside = number < len(bad)
        row[inside] = 100 * (1 - bad[number[inside]] / allowed)
    return times_s / 86400, left
