"""What a panel says of its answers: names, values in their units, words and colours, as its JSON has them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from tests.fakes.dashboard_answers import Answer, Panel
from tests.fakes.running_prometheus import Series

NAMED = {
    "green": "#56a64b",
    "red": "#e02f44",
    "yellow": "#d9a200",
    "blue": "#3274d9",
    "orange": "#ff780a",
    "purple": "#a352cc",
    "super-light-green": "#96d98d",
    "light-green": "#73bf69",
    "semi-dark-green": "#37872d",
    "dark-green": "#19730e",
    "light-purple": "#b877d9",
    "semi-dark-purple": "#8f3bb8",
    "dark-purple": "#7c2ea3",
    "super-light-purple": "#ca95e5",
    "light-blue": "#8ab8ff",
    "semi-dark-blue": "#1f60c4",
    "dark-blue": "#174ea6",
    "super-light-blue": "#c0d8ff",
    "light-yellow": "#ffee52",
    "semi-dark-yellow": "#f2cc0c",
    "dark-yellow": "#cc9d00",
    "super-light-yellow": "#fff899",
    "light-orange": "#ffb357",
    "semi-dark-orange": "#fa6400",
    "dark-orange": "#e55400",
    "super-light-orange": "#ffcb7d",
    "light-red": "#f2495c",
    "semi-dark-red": "#c4162a",
    "dark-red": "#ad0317",
    "super-light-red": "#ff7383",
}
"""Grafana's colours by their names."""
_MOST_LETTERS = 40


def name_of(series: Series, answer: Answer) -> str:
    """What a series is called by its query's legend."""
    named = re.sub(r"\{\{(\w+)\}\}", lambda found: series.labels.get(found[1], ""), answer.legend)
    return named or "value"


def fitting(name: str) -> str:
    """A name that has room on a sheet, with its end: that says which of a host's series it is."""
    return name if len(name) <= _MOST_LETTERS else f"{name[:14]}...{name[-23:]}"


def shown(value: float, unit: str) -> str:
    """A value in its unit, about as Grafana writes it."""
    if isnan(value):
        return "no data"
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "s":
        return f"{1000 * value:.3g} ms" if 0 < abs(value) < 1 else f"{value:.3g} s"
    if unit == "bytes":
        return f"{value / 1024**2:.3g} MiB"
    figure = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{figure} {unit.removeprefix('suffix:')}" if unit.startswith("suffix:") else figure


def unit_of(panel: Panel) -> str:
    """The unit of a panel's values."""
    return str(panel.plain["fieldConfig"]["defaults"]["unit"])


def said(panel: Panel, value: float, letter: str = "") -> tuple[str, str]:
    """What a panel says for a value, and in which colour; `letter`: of the query that has it."""
    word = worded(panel.plain["fieldConfig"]["defaults"].get("mappings", ()), value)
    own = overrides(panel, "", letter).get("thresholds", {}).get("steps")
    return word or (shown(value, unit_of(panel)), color_at(value, own or steps_of(panel)))


def figure(panel: Panel) -> tuple[str, str]:
    """What a panel of one figure says, and in which colour: that of the one query that has an answer.

    The colour is empty where it is that of all text.
    """
    found = [(answer, series) for answer in panel.answers for series in answer.series]
    assert len(found) <= 1, panel.title
    for answer, series in found:
        if panel.plain["options"]["textMode"] == "name":
            name = name_of(series, answer)
            wanted = overrides(panel, name)
            return wanted.get("displayName", name), color_of(wanted.get("color", {}).get("fixedColor", ""))
        return said(panel, series.points[-1][1], answer.letter)
    return said(panel, float("nan"))


def worded(mappings: Sequence[Mapping[str, Any]], value: float | str) -> tuple[str, str] | None:
    """The word for a value and its colour; None: there is none."""
    for mapping in mappings:
        word = mapping["options"].get(value if isinstance(value, str) else f"{value:g}")
        if word is not None:
            return word["text"], color_of(word["color"])
    return None


def color_at(value: float, steps: Sequence[Mapping[str, Any]]) -> str:
    """The colour of the last step that a value has come to."""
    reached = [step["color"] for step in steps[1:] if value >= step["value"]]
    return color_of([steps[0]["color"], *reached][-1])


def steps_of(panel: Panel) -> list[dict[str, Any]]:
    """Its thresholds."""
    found: list[dict[str, Any]] = panel.plain["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return found


def overrides(panel: Panel, name: str, letter: str = "") -> Mapping[str, Any]:
    """What a series or column of this name, of the query of this letter, has otherwise."""
    return {
        entry["id"]: entry["value"]
        for override in panel.plain["fieldConfig"]["overrides"]
        if _fits(override["matcher"], name, letter)
        for entry in override["properties"]
    }


def _fits(matcher: Mapping[str, str], name: str, letter: str) -> bool:
    if matcher["id"] == "byFrameRefID":
        return matcher["options"] == letter
    if matcher["id"] == "byRegexp":
        return re.search(matcher["options"].strip("/"), name) is not None
    return matcher["options"] == name


def color_of(name: str) -> str:
    """A colour that matplotlib knows."""
    return NAMED.get(name, name)
