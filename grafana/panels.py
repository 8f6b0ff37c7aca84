"""The kinds of panel that the dashboards are made of, each with one look: the same thing looks the same.

Colours are Grafana's own names and palettes, which both of its themes have; what is good or bad is also
written out as a figure or a word, never told by colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.frame import PROMETHEUS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana_foundation_sdk.builders.dashboard import DashboardLink

PERCENT, SECONDS, COUNT, BYTES, PER_SECOND = "percentunit", "s", "short", "bytes", "cps"
VCPUS = "suffix: vCPUs"
Steps = tuple[tuple[float | None, str], ...]
"""From which value on which colour; the first step has no value."""
GREY = "#808080"
"""Seen on white and on black."""
ZERO_IS_GOOD: Steps = ((None, "green"), (1, "red"))
ONE_IS_GOOD: Steps = ((None, "red"), (1, "green"))
PLAIN: Steps = ((None, "blue"),)
"""Neither good nor bad."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One query, and what its series are called; the fields of `legend` are labels."""

    expr: str
    legend: str = ""


_SPANNED_MS = 60_000.0
"""A load is not known for a moment after each change of the vCPUs; that is no gap to look at."""
_Panel = TypeVar("_Panel", timeseries.Panel, stat.Panel, table.Panel, statetimeline.Panel, bargauge.Panel)


def lines(
    title: str,
    text: str,
    asks: Sequence[Ask],
    *,
    see: DashboardLink,
    unit: str = COUNT,
    width: int = 12,
    height: int = 8,
    steps: Steps = PLAIN,
    stairs: Sequence[str] = (),
    dashed: Sequence[str] = (),
    colors: Mapping[str, str] | None = None,
    counts: bool = False,
) -> timeseries.Panel:
    """Series over time.

    `stairs` and `dashed`: how legends end of those that jump and stay, and of those that are limits;
    `colors`: of legends that end so; `counts`: as stacked bars, a minute each at least, whose queries are
    over ``$__interval``. Steps with a value are drawn as lines, too.
    """
    panel = _framed(timeseries.Panel(), title, text, unit, (width, height), see)
    panel = (
        panel.color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .thresholds(_thresholds(steps))
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .line_width(2)
        .show_points(VisibilityMode.NEVER)
        .span_nulls(_SPANNED_MS)
        .axis_soft_min(0)
    )
    if len(steps) > 1:
        panel = panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        )
    top = next((value for value, _ in steps if value), 1 if counts else None)
    if top is not None:
        panel = panel.axis_soft_max(top)
    if counts:
        panel = (
            panel.interval("1m")
            .draw_style(GraphDrawStyle.BARS)
            .fill_opacity(60)
            .line_width(0)
            .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
        )
    for ending in stairs:
        panel = panel.override_by_regexp(_ending(ending), [_STAIRS])
    for ending in dashed:
        panel = panel.override_by_regexp(_ending(ending), [_STAIRS, *_DASHED])
    for ending, color in (colors or {}).items():
        panel = panel.override_by_regexp(
            _ending(ending), [_set("color", {"mode": "fixed", "fixedColor": color})]
        )
    return _asking(panel, asks)


def figure(
    title: str,
    text: str,
    expr: str,
    *,
    see: DashboardLink,
    unit: str = COUNT,
    width: int = 4,
    steps: Steps = PLAIN,
    words: Mapping[str, tuple[str, str]] | None = None,
    legend: str = "",
) -> stat.Panel:
    """One figure of now. `words`: what to say instead of a value, and in which colour."""
    panel = _framed(stat.Panel(), title, text, unit, (width, 4), see)
    panel = (
        panel.thresholds(_thresholds(steps))
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )
    if words:
        panel = panel.mappings([_words(words)])
    return _asking(panel, [Ask(expr, legend)], instant=True)


def levels(
    title: str,
    text: str,
    asks: Sequence[Ask],
    *,
    see: DashboardLink,
    unit: str = COUNT,
    width: int = 8,
    height: int = 8,
    steps: Steps = PLAIN,
    words: Mapping[str, tuple[str, str]] | None = None,
) -> bargauge.Panel:
    """Figures of now beside each other, as bars."""
    panel = _framed(bargauge.Panel(), title, text, unit, (width, height), see)
    panel = (
        panel.thresholds(_thresholds(steps))
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .display_mode(BarGaugeDisplayMode.BASIC)
        .orientation(VizOrientation.HORIZONTAL)
        .min(0)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )
    if words:
        panel = panel.mappings([_words(words)])
    return _asking(panel, asks, instant=True)


def states(
    title: str,
    text: str,
    asks: Sequence[Ask],
    *,
    see: DashboardLink,
    words: Mapping[str, tuple[str, str]],
    steps: Steps = ZERO_IS_GOOD,
    width: int = 12,
    height: int = 8,
) -> statetimeline.Panel:
    """When what was in which state; `words`: what a value means, and its colour."""
    panel = _framed(statetimeline.Panel(), title, text, COUNT, (width, height), see)
    panel = (
        panel.thresholds(_thresholds(steps))
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .mappings([_words(words)])
        .merge_values(True)
        .show_value(VisibilityMode.AUTO)
        .fill_opacity(70)
    )
    return _asking(panel, asks)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: what its cells are, and how they are shown."""

    name: str
    expr: str
    unit: str = COUNT
    steps: Steps = PLAIN
    hidden: bool = False
    """Whether only the labels of its query are wanted."""


def rows(
    title: str,
    text: str,
    columns: Sequence[Column],
    *,
    see: DashboardLink,
    by: Mapping[str, str],
    each: DashboardLink | None = None,
    width: int = 24,
    height: int = 9,
) -> table.Panel:
    """A table of now: a row for each set of the labels `by`, which are named as their columns are to be.

    `each`: where a row leads to. The value of each column's query is its cell.
    """
    panel = _framed(table.Panel(), title, text, COUNT, (width, height), see)
    letters = [chr(ord("A") + number) for number in range(len(columns))]
    named = {f"Value #{letter}": column.name for letter, column in zip(letters, columns, strict=True)}
    order = {name: number for number, name in enumerate([*by, *named])}
    panel = panel.with_transformation(DataTransformerConfig(id_val="merge", options={})).with_transformation(
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {
                    "Time": True,
                    **{
                        f"Value #{letter}": True
                        for letter, column in zip(letters, columns, strict=True)
                        if column.hidden
                    },
                },
                "indexByName": order,
                "renameByName": {**by, **named},
            },
        )
    )
    for column in columns:
        properties = [_set("unit", column.unit), _set("thresholds", _thresholds(column.steps).build())]
        if len(column.steps) > 1:
            properties.append(_set("custom.cellOptions", {"type": "color-text"}))
        panel = panel.override_by_name(column.name, properties)
    if each is not None:
        panel = panel.data_links([each])
    for letter, column in zip(letters, columns, strict=True):
        panel = panel.with_target(
            _query(Ask(column.expr), letter, instant=True).format(PromQueryFormat.TABLE)
        )
    return panel


def _framed(
    panel: _Panel, title: str, text: str, unit: str, size: tuple[int, int], see: DashboardLink
) -> _Panel:
    width, height = size
    return (
        panel.title(title)
        .description(text)
        .unit(unit)
        .span(width)
        .height(height)
        .datasource(PROMETHEUS)
        .links([see])
    )


def _asking(panel: _Panel, asks: Sequence[Ask], *, instant: bool = False) -> _Panel:
    for number, ask in enumerate(asks):
        panel = panel.with_target(_query(ask, chr(ord("A") + number), instant=instant))
    return panel


def _query(ask: Ask, letter: str, *, instant: bool) -> Dataquery:
    query = Dataquery().ref_id(letter).expr(ask.expr).datasource(PROMETHEUS)
    query = query.instant() if instant else query.range()
    return query.legend_format(ask.legend) if ask.legend else query


def _thresholds(steps: Steps) -> ThresholdsConfig:
    found = [Threshold(value=value, color=color) for value, color in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def _words(words: Mapping[str, tuple[str, str]]) -> ValueMap:
    return ValueMap(
        options={value: ValueMappingResult(text=text, color=color) for value, (text, color) in words.items()}
    )


def _ending(text: str) -> str:
    """A pattern of legends, as Grafana writes them."""
    return f"/{text}$/"


def _set(key: str, value: object) -> DynamicConfigValue:
    return DynamicConfigValue(id_val=key, value=value)


_STAIRS = _set("custom.lineInterpolation", LineInterpolation.STEP_AFTER)
_DASHED = (
    _set("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}),
    _set("custom.lineWidth", 1),
)
