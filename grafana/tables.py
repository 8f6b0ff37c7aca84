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


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: what its cells are, and how they are shown."""

    name: str
    expr: str
    unit: str = COUNT
    steps: Steps = PLAIN
    hidden: bool = False
    """Whether only the labels of its query are wanted."""
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """What to say instead of a value, and in which colour."""


def rows(
    title: str,
    text: str,
    columns: Sequence[Column],
    *,
    see: DashboardLink,
    by: Mapping[str, str],
    each: DashboardLink | None = None,
    most_first: str | None = None,
    width: int = 24,
    height: int = 9,
) -> table.Panel:
    """A table of now: a row for each set of the labels `by`, which are named as their columns are to be.

    `each`: where a row leads to; `most_first`: the column by which they are sorted. The value of each
    column's query is its cell.
    """
    panel = framed(table.Panel(), title, text, COUNT, (width, height), see)
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
        properties = [prop("unit", column.unit), prop("thresholds", thresholds(column.steps).build())]
        if column.words:
            properties.append(prop("mappings", [worded(column.words)]))
        if len(column.steps) > 1 or column.words:
            properties.append(prop("custom.cellOptions", {"type": "color-text"}))
        panel = panel.override_by_name(column.name, properties)
    if most_first is not None:
        panel = panel.sort_by([common.TableSortByFieldState().display_name(most_first).desc(True)])
    if each is not None:
        panel = panel.data_links([each])
    for letter, column in zip(letters, columns, strict=True):
        panel = panel.with_target(query(Ask(column.expr), letter, instant=True).format(PromQueryFormat.TABLE))
    return panel
