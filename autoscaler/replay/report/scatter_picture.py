"""Cost against violation: each strategy one mark, so that a low cost bought with broken promises shows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, NullFormatter

from autoscaler.replay.report.canvas import BLACK, BLUE, GREEN, ORANGE, RED, picture
from autoscaler.replay.report.labels import Labels
from autoscaler.replay.result import AGAINST, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

    from autoscaler.replay.result import Standing, Terms

_COLOURS = {Kind.POLICY: BLUE, Kind.BASELINE: BLACK, Kind.OPTIMUM: GREEN}
_MARKS = {Kind.POLICY: "o", Kind.BASELINE: "s", Kind.OPTIMUM: "*"}
_SMALLEST_PERCENT = 0.1
"""Below this the scale of violation is straight, so that none at all has a place on it."""
_WITHOUT_LINE = 24
"""A label this near to its mark, in points, needs no line to it."""
_OFFSETS = [
    *((9, 0), (0, 14), (0, -14), (-9, 0)),
    *((0, up) for up in (28, -28, 42, -42, 56)),
    *((side * 16, up) for up in (20, -20, 36, -36, 52, 68) for side in (1, -1)),
]
"""Where a label may stand from its mark, in points: beside it, above or below, or at an angle; best first."""


def scatter_picture(standings: Sequence[Standing], terms: Terms) -> bytes:
    """A PNG; hollow marks do not keep every domain inside its SLO."""
    return picture(9, 5.6, lambda figure: draw_scatter(figure, standings, terms))


def draw_scatter(figure: Figure, standings: Sequence[Standing], terms: Terms) -> None:
    """The same on a sheet."""
    axes = figure.subplots()
    for standing in standings:
        _mark(axes, standing)
    limit = None if terms.objective_ratio is None else 100 * (1 - terms.objective_ratio)
    _scales(axes, standings, limit or 0.0)
    axes.set_xlabel("priced cost over the optimum's (vCPU-minutes and moves); left is cheaper")
    axes.set_ylabel("bad slices in all, %; lower is better")
    title = "Cost against violation (hollow: some domain is outside its SLO)"
    axes.set_title(title, loc="left", fontsize=12)
    labels = Labels(axes, figure)
    for standing in standings:
        labels.keep_mark(_at(standing))
    if limit is not None:
        _objective(axes, labels, limit)
    for standing in sorted(standings, key=lambda standing: standing.kind is not Kind.POLICY):
        labels.place(partial(_label, axes, standing), _OFFSETS)


def _objective(axes: Axes, labels: Labels, limit: float) -> None:
    """A line at what is promised, named at one of its ends."""
    axes.axhline(limit, color=RED, linewidth=1, linestyle=(0, (5, 4)), zorder=1)

    def name(place: tuple[int, int]) -> Annotation:
        end, up = place
        return axes.annotate(
            f"objective: {100 - limit:g} % good",
            (end, limit),
            xycoords=("axes fraction", "data"),
            xytext=(0 if end else 6, up),
            textcoords="offset points",
            ha="right" if end else "left",
            va="center",
            color=RED,
            fontsize=10,
            in_layout=False,
        )

    labels.place(name, [(end, up) for end in (1, 0) for up in (9, -9)])
    labels.keep_level(limit)


def _mark(axes: Axes, standing: Standing) -> None:
    color = ORANGE if standing.name == AGAINST else _COLOURS[standing.kind]
    axes.plot(
        *_at(standing),
        marker=_MARKS[standing.kind],
        markersize=13 if standing.kind is Kind.OPTIMUM else 9,
        color=color,
        markerfacecolor=color if standing.compliant else "white",
        markeredgewidth=1.8,
        zorder=4 if standing.kind is Kind.POLICY else 3,
        clip_on=False,
    )


def _at(standing: Standing) -> tuple[float, float]:
    return standing.score.j_over_optimum, 100 * standing.score.bad_ratio


def _scales(axes: Axes, standings: Sequence[Standing], limit: float) -> None:
    most = max(limit, *(100 * standing.score.bad_ratio for standing in standings))
    costs = [standing.score.j_over_optimum for standing in standings]
    axes.set_xscale("log")
    axes.set_xlim(min(costs) / 1.06, max(costs) * 1.25)
    ticks = [
        tick
        for tick in (0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.7, 2, 2.5, 3, 4, 5, 7, 10, 20, 50, 100)
        if min(costs) / 1.06 <= tick <= max(costs) * 1.25
    ]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.set_yscale("symlog", linthresh=_SMALLEST_PERCENT)
    axes.set_ylim(-_SMALLEST_PERCENT * 0.6, max(most * 1.6, 4 * _SMALLEST_PERCENT))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _label(axes: Axes, standing: Standing, offset: tuple[float, float]) -> Annotation:
    across, up = offset
    near = abs(across) + abs(up) < _WITHOUT_LINE
    return axes.annotate(
        standing.label,
        _at(standing),
        xytext=offset,
        textcoords="offset points",
        ha="center" if not across else "left" if across > 0 else "right",
        va="center",
        fontsize=10,
        fontweight="bold" if standing.kind is Kind.POLICY else "normal",
        arrowprops=None if near else {"arrowstyle": "-", "color": "#999999", "linewidth": 0.8},
        in_layout=False,
        zorder=5,
    )
