"""What panels of every kind have: a frame, queries, units, and colours that say good or bad.

Colours are Grafana's own names and palettes, which both of its themes have; what is good or bad is also
written out as a figure or a word, never told by colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from grafana_foundation_sdk.builders import bargauge, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

from grafana.frame import PROMETHEUS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana_foundation_sdk.builders.dashboard import DashboardLink

PERCENT, SECONDS, COUNT, BYTES, PER_SECOND = "percentunit", "s", "none", "bytes", "cps"
"""Counts are written out: a thousand guests are 1000, and not 1 K."""
VCPUS, TIMES, TIMES_SHORT = "suffix:vCPUs", "suffix:x bearable", "suffix:x"
"""Grafana puts the space between; an axis has room for the short one.

A budget that burns at 1 x bearable lasts just for its window.
"""
Steps = tuple[tuple[float | None, str], ...]
"""From which value on which colour; the first step has no value."""
GREY = "#808080"
"""Seen on white and on black."""
ZERO_IS_GOOD: Steps = ((None, "green"), (1, "red"))
ONE_IS_GOOD: Steps = ((None, "red"), (1, "green"))
NONE_IS_GOOD: Steps = ((None, "green"), (1, "yellow"))
ONE_VCPU = {"1": ("1 vCPU", "blue")}
"""What is said instead of one of many."""
UNCOLORED = "text"
"""The colour of a theme's text."""
SPENT_IS_BAD: Steps = ((None, "yellow"), (0.25, "green"))
"""Of the share of an error budget that is left, as long as the promise is not being broken."""
SPENT_IS_BROKEN: Steps = ((None, "red"), (0.0, "yellow"))
"""The same while it is."""
BURNS: Steps = ((None, "green"), (1, "yellow"), (14.4, "red"))
"""Of a burn rate over time: above 1 the budget does not last, above 14.4 somebody is woken up."""
TOO_FAST: Steps = ((None, "green"), (1, "yellow"))
"""Of a burn rate now: whether that breaks the promise says the state."""
SOME_ARE_GOOD: Steps = ((None, "yellow"), (1, "green"))
PLAIN: Steps = ((None, "blue"),)
"""Neither good nor bad."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One query, and what its series are called; the fields of `legend` are labels."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class While:
    """Other colours for a figure, as long as a query has an answer, and none of those named before it."""

    expr: str
    steps: Steps


_Panel = TypeVar("_Panel", timeseries.Panel, stat.Panel, table.Panel, statetimeline.Panel, bargauge.Panel)


def framed(
    panel: _Panel, title: str, text: str, unit: str, size: tuple[int, int], see: DashboardLink
) -> _Panel:
    """A panel with its title, what it means, its unit, its width and height, and where it leads to."""
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


def asking(panel: _Panel, asks: Sequence[Ask], *, instant: bool = False) -> _Panel:
    """A panel with its queries, of the time shown or of now."""
    for number, ask in enumerate(asks):
        panel = panel.with_target(query(ask, chr(ord("A") + number), instant=instant))
    return panel


def query(ask: Ask, letter: str, *, instant: bool) -> Dataquery:
    """One query, by the letter that the panel knows it by."""
    query = Dataquery().ref_id(letter).expr(ask.expr).datasource(PROMETHEUS)
    query = query.instant() if instant else query.range()
    return query.legend_format(ask.legend) if ask.legend else query


def thresholds(steps: Steps) -> ThresholdsConfig:
    """From which value on which colour."""
    found = [Threshold(value=value, color=color) for value, color in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def worded(words: Mapping[str, tuple[str, str]]) -> ValueMap:
    """What to say instead of a value, and in which colour."""
    return ValueMap(
        options={value: ValueMappingResult(text=text, color=color) for value, (text, color) in words.items()}
    )


def prop(key: str, value: object) -> DynamicConfigValue:
    """One property that is set for some of a panel's series or columns."""
    return DynamicConfigValue(id_val=key, value=value)
