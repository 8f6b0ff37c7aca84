"""The kinds of panel that the dashboards are made of, each with one look: the same thing looks the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import bargauge, common, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
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
from grafana_foundation_sdk.models.dashboard import FieldColorModeId

from grafana.parts import (
    COUNT,
    PLAIN,
    ZERO_IS_GOOD,
    Ask,
    Steps,
    While,
    asking,
    framed,
    prop,
    thresholds,
    worded,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana_foundation_sdk.builders.dashboard import DashboardLink
    from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

_SPANNED_MS = 60_000.0
"""A load is not known for a moment after each change of the vCPUs; that is no gap to look at."""


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
    dotted: Sequence[str] = (),
    widths: Mapping[str, int] | None = None,
    areas: Sequence[str] = (),
    colors: Mapping[str, str] | None = None,
    words: Mapping[str, str] | None = None,
    shades: str | None = None,
    counts: bool = False,
    far: bool = False,
) -> timeseries.Panel:
    """Series over time.

    `stairs`: how legends end of those that jump and stay; `dashed` and `dotted`: of limits;
    `widths`: in pixels, of lines that would hide each other where they run together, the later above;
    `areas`: of which the room below is filled; `colors`: of legends that end so, and
    `words`: what is said instead of them; `shades`: of which one colour all others are; `counts`: as
    stacked bars, a minute each at least, whose queries are over ``$__interval``. Steps with a value are
    drawn as lines, too; `far`: only where values come near, since what is usual is so far below them that
    it would be flat.
    """
    panel = framed(timeseries.Panel(), title, text, unit, (width, height), see)
    panel = (
        panel.color_scheme(_palette(shades))
        .thresholds(thresholds(steps))
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
    if top is not None and not far:
        panel = panel.axis_soft_max(top)
    if unit == COUNT:
        panel = panel.decimals(0)
    if counts:
        panel = (
            panel.interval("1m")
            .draw_style(GraphDrawStyle.BARS)
            .fill_opacity(60)
            .line_width(0)
            .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
        )
    looks = dict.fromkeys(stairs, _STAIRS) | dict.fromkeys(dashed, _DASHED) | dict.fromkeys(dotted, _DOTTED)
    for ending, look in looks.items():
        panel = panel.override_by_regexp(_ending(ending), [*look])
    for ending, pixels in (widths or {}).items():
        panel = panel.override_by_regexp(_ending(ending), [prop("custom.lineWidth", pixels)])
    for ending in areas:
        panel = panel.override_by_regexp(_ending(ending), [prop("custom.fillOpacity", 40)])
    for ending, color in (colors or {}).items():
        panel = panel.override_by_regexp(_ending(ending), _called(ending, color, words or {}))
    return asking(panel, asks)


def _palette(shades: str | None) -> FieldColor:
    """The colours of series that have none of their own."""
    if shades is None:
        return FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC)
    return FieldColor().mode(FieldColorModeId.SHADES).fixed_color(shades)


def _called(legend: str, color: str, words: Mapping[str, str]) -> list[DynamicConfigValue]:
    """The colour of what has this legend, and what is said instead of it."""
    found = [prop("color", {"mode": "fixed", "fixedColor": color})]
    return [*found, prop("displayName", words[legend])] if legend in words else found


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
    otherwise: Sequence[While] = (),
    height: int = 4,
) -> stat.Panel:
    """One figure of now.

    `words`: what to say instead of a value, and in which colour; `otherwise`: the figure is asked for by a
    query more for each, and one of them has an answer.
    """
    panel = framed(stat.Panel(), title, text, unit, (width, height), see)
    panel = (
        panel.thresholds(thresholds(steps))
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .text_mode(BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )
    if words:
        panel = panel.mappings([worded(words)])
    cases = [case.expr for case in otherwise]
    asks = [Ask(_unless(f"({expr})", cases))]
    for number, case in enumerate(otherwise):
        asks.append(Ask(_unless(f"({expr}) and on () ({case.expr})", cases[:number])))
        own = [prop("thresholds", thresholds(case.steps).build())]
        panel = panel.override_by_query(chr(ord("B") + number), own)
    return asking(panel, asks if otherwise else [Ask(expr)], instant=True)


def _unless(expr: str, cases: Sequence[str]) -> str:
    """An expression that has an answer as long as none of the cases has."""
    return " unless ".join([expr, *(f"on () ({case})" for case in cases)])


def sentence(
    title: str,
    text: str,
    ask: Ask,
    *,
    see: DashboardLink,
    width: int,
    height: int = 4,
    words: Mapping[str, str] | None = None,
    colors: Mapping[str, str] | None = None,
) -> stat.Panel:
    """What a label says: the legend of the one series, or what `words` have instead, in its colour."""
    panel = framed(stat.Panel(), title, text, COUNT, (width, height), see)
    panel = (
        panel.thresholds(thresholds(PLAIN))
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .color_mode(BigValueColorMode.VALUE if colors else BigValueColorMode.NONE)
        .graph_mode(BigValueGraphMode.NONE)
        .text_mode(BigValueTextMode.NAME)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )
    for legend, color in (colors or {}).items():
        panel = panel.override_by_name(legend, _called(legend, color, words or {}))
    return asking(panel, [ask], instant=True)


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
    panel = framed(bargauge.Panel(), title, text, unit, (width, height), see)
    panel = (
        panel.thresholds(thresholds(steps))
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .display_mode(BarGaugeDisplayMode.BASIC)
        .orientation(VizOrientation.HORIZONTAL)
        .min(0)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )
    if words:
        panel = panel.mappings([worded(words)])
    return asking(panel, asks, instant=True)


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
    panel = framed(statetimeline.Panel(), title, text, COUNT, (width, height), see)
    panel = (
        panel.thresholds(thresholds(steps))
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .mappings([worded(words)])
        .merge_values(True)
        .show_value(VisibilityMode.AUTO)
        .fill_opacity(70)
    )
    return asking(panel, asks)


def _ending(text: str) -> str:
    """A pattern of legends, as Grafana writes them."""
    return f"/{text}$/"


_STAIRS = (prop("custom.lineInterpolation", LineInterpolation.STEP_AFTER),)
_THIN = (*_STAIRS, prop("custom.lineWidth", 1))
_DASHED = (*_THIN, prop("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}))
_DOTTED = (*_THIN, prop("custom.lineStyle", {"fill": "dot", "dash": [0, 8]}))
