"""Draws a dashboard's panels from Prometheus' answers, so that a person can look at them without a Grafana.

It is not Grafana's drawing, but has the same titles, units, legends, words, colours, marks and places.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from math import ceil, isnan, log2
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import dates, ticker
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.fakes.dashboard_answers import Panel, Sheet
from tests.fakes.panel_text import (
    color_at,
    color_of,
    figure,
    fitting,
    name_of,
    overrides,
    said,
    shown,
    steps_of,
    unit_of,
    worded,
)
from tests.fakes.running_prometheus import Series

COLUMN_IN, ROW_IN, HEAD_IN = 0.75, 0.42, 0.4
_COLUMN_PX = 85
"""Of a table's columns that have no width of their own."""
PALETTE = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#c4162a")
"""The beginning of Grafana's classic palette."""
_STYLES = {"solid": "-", "dash": "--", "dot": ":"}
_SHADES = ("#e02f44", "#f2495c", "#ad0317", "#ff7383", "#c4162a", "#ffa6b0")
"""Of red, which is the one colour that a dashboard has shades of."""
THEMES = {"light": ("#f4f5f5", "#ffffff", "#24292e"), "dark": ("#111217", "#181b1f", "#ccccdc")}
"""Of the page, of a panel, of its text."""


def draw(sheet: Sheet, file: Path, *, theme: str) -> None:
    """Write the sheet as a PNG file."""
    page, back, ink = THEMES[theme]
    places = [panel.plain["gridPos"] for panel in sheet.panels]
    rows = max(place["y"] + place["h"] for place in places)
    style: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), ink
    )
    with mpl.rc_context(style | {"font.size": 7, "legend.labelcolor": ink}):
        paper = Figure(figsize=(24 * COLUMN_IN, rows * ROW_IN + HEAD_IN), facecolor=page)
        FigureCanvasAgg(paper)
        high = paper.get_figheight()
        paper.text(0.008, 1 - 0.28 / high, sheet.title, fontsize=12, weight="bold")
        for title, row in sheet.rows.items():
            paper.text(0.008, 1 - ((row + 0.75) * ROW_IN + HEAD_IN) / high, title, fontsize=9)
        for panel in sheet.panels:
            _place(paper, panel, back, sheet)
        paper.savefig(file, dpi=80)


def _place(paper: Figure, panel: Panel, back: str, sheet: Sheet) -> None:
    place, high = panel.plain["gridPos"], paper.get_figheight()
    left, width, tall = place["x"] / 24, place["w"] / 24, place["h"] * ROW_IN / high
    bottom = 1 - ((place["y"] + place["h"]) * ROW_IN + HEAD_IN) / high
    frame = paper.add_axes((left + 0.003, bottom + 0.003, width - 0.006, tall - 0.006))
    frame.set(xticks=[], yticks=[], facecolor=back)
    frame.spines[:].set_alpha(0.2)
    kind = panel.plain["type"]
    paper.text(left + 0.008, bottom + tall - 0.24 / high, panel.title, fontsize=8, weight="bold")
    below, above = (0.55 if kind == "timeseries" else 0.3) / high, 0.4 / high
    inner = 0.105 if kind in {"bargauge", "state-timeline"} else 0.045 if kind == "timeseries" else 0.01
    axes = paper.add_axes(
        (left + inner, bottom + below, width - inner - 0.012, tall - below - above), facecolor="none"
    )
    _KINDS[kind](axes, panel)
    if kind == "timeseries":
        corner = (left + 0.004, bottom + 0.02 / high)
        axes.legend(
            loc="lower left",
            bbox_to_anchor=corner,
            bbox_transform=paper.transFigure,
            ncols=3 if place["w"] < 8 else 4 if place["w"] < 24 else 6,
            frameon=False,
            fontsize=6,
            columnspacing=1.0,
        )
        for at_s, color in sheet.marks:
            axes.axvline(_date(at_s), color=color_of(color), ls=":", lw=0.8, alpha=0.8)


def _lines(axes: Axes, panel: Panel) -> None:
    custom = panel.plain["fieldConfig"]["defaults"]["custom"]
    palette = _SHADES if panel.plain["fieldConfig"]["defaults"]["color"]["mode"] == "shades" else PALETTE
    number, stacked = 0, custom.get("drawStyle") == "bars"
    floor: dict[float, float] = {}
    for answer in panel.answers:
        for series in answer.series:
            legend = name_of(series, answer)
            wanted = overrides(panel, legend)
            said_so = fitting(wanted.get("displayName", legend))
            color = color_of(wanted.get("color", {}).get("fixedColor", palette[number % len(palette)]))
            points = series.points if stacked else _with_gaps(series, custom.get("spanNulls", 0.0) / 1000)
            at, values = [_date(at_s) for at_s, _ in points], [value for _, value in points]
            if stacked:
                base = [floor.get(at_s, 0.0) for at_s, _ in series.points]
                axes.bar(
                    at,
                    values,
                    _step_s(series) / 86400 * 0.9,
                    base,
                    color=color,
                    alpha=0.7,
                    label=said_so,
                )
                floor |= {at_s: base[row] + value for row, (at_s, value) in enumerate(series.points)}
            else:
                axes.plot(
                    at,
                    values,
                    color=color,
                    lw=0.8 * wanted.get("custom.lineWidth", 2),
                    ls=_STYLES[wanted.get("custom.lineStyle", {}).get("fill", "solid")],
                    drawstyle="steps-post" if "custom.lineInterpolation" in wanted else "default",
                    label="" if "custom.fillOpacity" in wanted else said_so,
                )
                if "custom.fillOpacity" in wanted:
                    share = wanted["custom.fillOpacity"] / 100
                    axes.fill_between(at, values, color=color, alpha=share, lw=0, label=said_so)
            number += 1
    whole = panel.plain["fieldConfig"]["defaults"].get("decimals") == 0
    axes.yaxis.set_major_formatter(lambda value, _: shown(value, unit_of(panel)))
    axes.yaxis.set_major_locator(ticker.MaxNLocator(5, steps=[1, 2, 5, 10], integer=whole))
    _times(axes)
    low, high = axes.get_ylim()
    points = [point for answer in panel.answers for series in answer.series for point in series.points]
    values = [value for _, value in points if not isnan(value)]
    least = custom.get("axisSoftMax", 0.0 if any(values) else 1.0)
    most = max(high, 1.05 * least, 1.05 * max(values, default=0.0))
    axes.set_ylim(0.0 if min(values, default=0.0) >= 0 else low, most)
    for step in steps_of(panel)[1:]:
        if step["value"] <= most:  # no line makes the axis longer, as in Grafana
            axes.axhline(step["value"], color=color_of(step["color"]), ls="--", lw=0.8)
    if unit_of(panel) == "bytes":
        axes.yaxis.set_major_locator(ticker.MultipleLocator(2 ** ceil(log2(most / 5))))
    axes.grid(alpha=0.15)
    axes.spines[["top", "right"]].set_visible(False)


def _figure(axes: Axes, panel: Panel) -> None:
    axes.set_axis_off()
    text, color = figure(panel)
    size = min(20.0, 1.4 * panel.plain["gridPos"]["w"] * 72 * COLUMN_IN / max(len(text), 1))
    color = color or mpl.rcParams["text.color"]
    axes.text(0.5, 0.5, text, fontsize=size, weight="bold", color=color, ha="center", va="center")


def _bars(axes: Axes, panel: Panel) -> None:
    found = [(name_of(series, one), series.points[-1][1]) for one in panel.answers for series in one.series]
    colors = [color_at(value, steps_of(panel)) for _, value in found]
    axes.barh(range(len(found)), [value for _, value in found], color=colors, alpha=0.8)
    for row, (_, value) in enumerate(found):
        text, color = said(panel, value)
        axes.text(value, row, f" {text}", va="center", color=color)
    axes.set_yticks(range(len(found)), [fitting(name) for name, _ in found], fontsize=6.5)
    axes.invert_yaxis()
    axes.set_xlim(0, max([value for _, value in found], default=0.0) * 1.3 or 1.0)
    axes.xaxis.set_visible(False)
    axes.spines[:].set_visible(False)


def _table(axes: Axes, panel: Panel) -> None:
    axes.set_axis_off()
    asked = panel.plain["transformations"][-1]["options"]
    cells: dict[tuple[str, ...], dict[str, Any]] = {}
    for answer in panel.answers:
        column = f"Value #{answer.letter}"
        for series in answer.series:
            key = tuple(series.labels.get(label, "") for label in ("instance", "domain"))
            cells.setdefault(key, {}).update({**series.labels, column: series.points[-1][1]})
    order = sorted(asked["indexByName"], key=asked["indexByName"].get)
    columns = [name for name in order if not asked["excludeByName"].get(name)]
    heads = {name: asked["renameByName"][name] for name in columns}
    rows = [row for _, row in sorted(cells.items())]
    for sort in panel.plain["options"].get("sortBy", ()):
        (by,) = (name for name in columns if heads[name] == sort["displayName"])
        rows.sort(key=lambda row: row.get(by, 0.0), reverse=sort["desc"])
    shown_rows = [[_cell(panel, heads[name], row.get(name, "")) for name in columns] for row in rows]
    text = [[cell for cell, _ in row] for row in shown_rows]
    wide = [overrides(panel, head).get("custom.width", _COLUMN_PX) for head in heads.values()]
    shares = [width / sum(wide) for width in wide]
    drawn = axes.table(
        text, colLabels=list(heads.values()), colWidths=shares, loc="upper center", cellLoc="left"
    )
    for (row, number), cell in drawn.get_celld().items():
        cell.set(facecolor="none", edgecolor="#88888833", height=0.11)
        color = shown_rows[row - 1][number][1] if row else ""
        cell.get_text().set_color(mpl.rcParams["text.color"] if color in {"", "text"} else color)


def _cell(panel: Panel, column: str, value: float | str) -> tuple[str, str]:
    """A cell's text and its colour, which is empty where it has none of its own."""
    wanted = overrides(panel, column)
    word = worded(wanted.get("mappings", ()), value)
    if word is not None:
        return word
    if isinstance(value, str):
        return value, ""
    colored = "custom.cellOptions" in wanted
    return shown(value, wanted["unit"]), color_at(value, wanted["thresholds"]["steps"]) if colored else ""


def _states(axes: Axes, panel: Panel) -> None:
    rows = [(name_of(series, answer), series) for answer in panel.answers for series in answer.series]
    for row, (_, series) in enumerate(rows):
        begun_s, before = series.points[0]
        for at_s, value in (*series.points[1:], (series.points[-1][0] + _step_s(series), float("nan"))):
            if value != before:
                text, color = said(panel, before)
                begun, ended = _date(begun_s), _date(at_s)
                axes.broken_barh([(begun, ended - begun)], (row - 0.4, 0.8), facecolor=color, alpha=0.7)
                axes.text((begun + ended) / 2, row, text, ha="center", va="center", fontsize=6.5)
                begun_s, before = at_s, value
    axes.set_yticks(range(len(rows)), [fitting(name) for name, _ in rows], fontsize=6.5)
    axes.invert_yaxis()
    _times(axes)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _with_gaps(series: Series, spanned_s: float) -> list[tuple[float, float]]:
    """The points, with no value between two that are further apart than is spanned."""
    step_s = min((after[0] - before[0] for before, after in pairwise(series.points)), default=1.0)
    found = list(series.points[:1])
    for before, after in pairwise(series.points):
        if after[0] - before[0] > max(1.5 * step_s, spanned_s):
            found.append((before[0] + step_s, float("nan")))
        found.append(after)
    return found


def _times(axes: Axes) -> None:
    axes.xaxis_date()
    # matplotlib's dates have no types.
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S"))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(dates.AutoDateLocator(minticks=2, maxticks=5))  # type: ignore[no-untyped-call]


def _date(at_s: float) -> float:
    return float(dates.date2num(datetime.fromtimestamp(at_s, UTC)))  # type: ignore[no-untyped-call]


def _step_s(series: Series) -> float:
    return series.points[1][0] - series.points[0][0] if len(series.points) > 1 else 1.0


_KINDS = {
    "timeseries": _lines,
    "stat": _figure,
    "bargauge": _bars,
    "table": _table,
    "state-timeline": _states,
}
