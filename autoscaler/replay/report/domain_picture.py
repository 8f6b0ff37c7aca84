"""One domain over time: what it wanted, the vCPUs that it had, and the slices that went bad."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import matplotlib.dates as mdates
import numpy as np
from matplotlib.ticker import MaxNLocator

from autoscaler.replay.report.canvas import BLUE, GREY, ORANGE, RED, drawable, picture

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from autoscaler.replay.judged import Judged
    from autoscaler.replay.result import Drawn

_COLUMNS = 900
"""About what the picture can show side by side."""
_BAD = 1
_FLOOR_RATIO = 0.07
"""Height of the strip for bad slices, as a share of the picture above it."""


def domain_picture(drawn: Drawn) -> bytes:
    """A PNG."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _demand(axes, drawn.policy)
        if drawn.against is not None:
            _vcpus(axes, drawn.against, ORANGE, "vCPUs, old policy", line_width=2.6)
        _vcpus(axes, drawn.policy, BLUE, "vCPUs" if drawn.against is None else "vCPUs, new policy")
        axes.set_ylabel("vCPUs")
        axes.margins(x=0.01)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=2))
        axes.set_ylim(bottom=0)
        _bad(axes, drawn.policy)
        locator = mdates.AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        formatter = mdates.ConciseDateFormatter(locator, tz=UTC)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(formatter)
        name = drawable(drawn.policy.course.domain)
        axes.set_title(f"{name} - {drawn.title}", loc="left", fontsize=12)
        figure.legend(loc="outside lower center", ncols=4, fontsize=10)

    return picture(9, 3.6, draw)


def _demand(axes: Axes, judged: Judged) -> None:
    wanted = judged.course.demand_vcpus
    times, low, high, mean = _thinned(wanted, judged.start_s, judged.course.step_s)
    axes.fill_between(times, low, high, step="post", color=GREY, alpha=0.45, linewidth=0)
    axes.step(times, mean, where="post", color=GREY, linewidth=0.9, label="demand (mean, least to most)")


def _vcpus(axes: Axes, judged: Judged, color: str, label: str, *, line_width: float = 1.5) -> None:
    times, _, high, _ = _thinned(judged.course.online_vcpus, judged.start_s, judged.course.step_s)
    axes.step(times, high, where="post", color=color, linewidth=line_width, label=label)


def _bad(axes: Axes, judged: Judged) -> None:
    """A mark on the floor for each bad slice, below all that is drawn besides."""
    at_s = judged.start_s + np.flatnonzero(judged.slices == _BAD) * judged.sla.slice_s
    top = axes.get_ylim()[1]
    axes.set_ylim(-_FLOOR_RATIO * top, top)
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= top])
    floor = np.full(len(at_s), -_FLOOR_RATIO / 2 * top)
    look = {"linestyle": "none", "marker": "|", "markersize": 9, "markeredgewidth": 1.5, "color": RED}
    axes.plot(_times(at_s), floor, label=f"bad slices: {len(at_s)}", **look)  # type: ignore[arg-type]


def _thinned(
    values: npt.NDArray[np.float64], start_s: float, step_s: float
) -> tuple[
    npt.NDArray[np.datetime64], npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]
]:
    """Times, and least, most and mean of what falls into each column; NaN where nothing is known."""
    each = max(len(values) // _COLUMNS, 1)
    padded = np.concatenate([values, np.full(-len(values) % each, np.nan)]).reshape(-1, each)
    known = ~np.isnan(padded)
    some = known.any(axis=1)
    low = np.where(some, np.where(known, padded, np.inf).min(axis=1), np.nan)
    high = np.where(some, np.where(known, padded, -np.inf).max(axis=1), np.nan)
    mean = np.where(some, np.where(known, padded, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1), np.nan)
    return _times(start_s + np.arange(len(padded)) * each * step_s), low, high, mean


def _times(seconds: npt.NDArray[np.floating]) -> npt.NDArray[np.datetime64]:
    return seconds.astype("datetime64[s]")
