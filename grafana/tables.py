"""Tables of now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.parts import COUNT, PLAIN, Ask, Steps, framed, prop, query, thresholds, worded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana_foundation_sdk.builders.dashboard import DashboardLink
    from grafana_foundation_sdk.models.dashboard import DynamicConfigValue


@dataclass(frozen=True, slots=True)
class Label:
    """A column of a table whose cells are a label of its rows."""

    name: str
    label: str
    width: int | None = None
    """In pixels; None: as Grafana finds room."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table whose cells are the values of a query, and how they are shown."""

    name: str
    expr: str
    unit: str = COUNT
    steps: Steps = PLAIN
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """What to say instead of a value, and in which colour."""
    width: int | None = None
    """In pixels; None: as Grafana finds room."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A column of a table whose cells are a label of a query that only some of the rows have an answer to."""

    name: str
    label: str
    expr: str
    words: Mapping[str, tuple[str, str]]
    """What to say instead of the label's value, and in which colour."""
    width: int
    """In pixels."""


def rows(
    title: str,
    text: str,
    there: str,
    columns: Sequence[Label | Column | Cause],
    *,
    see: DashboardLink,
    each: DashboardLink | None = None,
    most_first: str | None = None,
    width: int = 24,
    height: int = 9,
) -> table.Panel:
    """A table of now: a row for each series of the query `there`, which has all the labels that are shown.

    The other queries have those labels that tell rows apart. `each`: where a row leads to; `most_first`: the
    column by which they are sorted.
    """
    panel = framed(table.Panel(), title, text, COUNT, (width, height), see)
    asked = [column for column in columns if not isinstance(column, Label)]
    letters = dict(zip((column.name for column in asked), map(chr, range(ord("B"), ord("Z"))), strict=False))
    values = {column.name: f"Value #{letters[column.name]}" for column in asked}
    names = {
        values[column.name] if isinstance(column, Column) else column.label: column.name for column in columns
    }
    hidden = ["Time", "Value #A", *(values[column.name] for column in columns if isinstance(column, Cause))]
    panel = panel.with_transformation(DataTransformerConfig(id_val="merge", options={})).with_transformation(
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": dict.fromkeys(hidden, True),
                "indexByName": {name: number for number, name in enumerate(names)},
                "renameByName": names,
            },
        )
    )
    for column in columns:
        properties = _shown(column)
        if properties:
            panel = panel.override_by_name(column.name, properties)
    if most_first is not None:
        panel = panel.sort_by([common.TableSortByFieldState().display_name(most_first).desc(True)])
    if each is not None:
        panel = panel.data_links([each])
    asks = {"A": there} | {letters[column.name]: column.expr for column in asked}
    for letter, expr in asks.items():
        panel = panel.with_target(query(Ask(expr), letter, instant=True).format(PromQueryFormat.TABLE))
    return panel


def _shown(column: Label | Column | Cause) -> list[DynamicConfigValue]:
    """How the cells of a column are shown."""
    found = [] if column.width is None else [prop("custom.width", column.width)]
    if isinstance(column, Label):
        return found
    if isinstance(column, Column):
        found += [prop("unit", column.unit), prop("thresholds", thresholds(column.steps).build())]
    if column.words:
        found.append(prop("mappings", [worded(column.words)]))
    if isinstance(column, Cause) or column.words or column.steps is not PLAIN:
        found.append(prop("custom.cellOptions", {"type": "color-text"}))
    return found
