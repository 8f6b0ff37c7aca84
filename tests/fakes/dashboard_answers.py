"""The committed dashboards, their queries filled in as Grafana would, and what a Prometheus answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from typing import Any

from tests.fakes.running_prometheus import QueryFailed, RunningPrometheus, Series

FOLDER = Path(__file__).parents[2] / "grafana" / "dashboards"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


@dataclass(frozen=True, kw_only=True)
class Span:
    """What is looked at, and how finely."""

    from_s: float
    to_s: float
    step_s: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One query's."""

    expr: str
    legend: str
    letter: str
    series: Sequence[Series]
    error: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return all(isnan(value) for series in self.series for _, value in series.points)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel and its answers."""

    plain: Mapping[str, Any]
    answers: Sequence[Answer]

    @property
    def title(self) -> str:
        return str(self.plain["title"])


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A whole dashboard with its answers."""

    title: str
    rows: Mapping[str, int]
    """At which row of the grid the title of each is."""
    panels: Sequence[Panel]
    marks: Sequence[tuple[float, str]]
    """When it has a mark, and in which colour."""


def dashboard(name: str) -> dict[str, Any]:
    """A committed dashboard."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def panels(name: str) -> list[dict[str, Any]]:
    """Its panels, without the titles of its rows."""
    return [panel for panel in dashboard(name)["panels"] if panel["type"] != "row"]


def filled(expr: str, *, domain: str, span: Span) -> str:
    """A query without Grafana's variables."""
    values = {
        "$__rate_interval": f"{round(4 * span.step_s)}s",
        "$__interval": f"{round(span.step_s)}s",
        "$__range": f"{round(span.to_s - span.from_s)}s",
        "$job": "vcpu-autoscaler",
        "$instance": "127.0.0.1",
        'domain="$domain"': f'domain=~"{domain}"',
        "$domain": domain,
    }
    for variable, value in values.items():
        expr = expr.replace(variable, value)
    return expr


_LEAST_STEP_S = 5.0
"""For panels and marks that look at a minute at least: what is watched here is shorter."""


def answered(server: RunningPrometheus, name: str, *, domain: str, span: Span) -> Iterator[Panel]:
    """Every panel with what the server says; a query that it does not take has its error."""
    for panel in panels(name):
        found = []
        wide = replace(span, step_s=max(span.step_s, _LEAST_STEP_S)) if "interval" in panel else span
        for target in panel["targets"]:
            expr, series, error = filled(target["expr"], domain=domain, span=wide), [], ""
            try:
                series = (
                    server.instant(expr, span.to_s)
                    if target["instant"]
                    else server.range(expr, wide.from_s, wide.to_s, wide.step_s)
                )
            except QueryFailed as failed:
                error = str(failed)
            legend = target.get("legendFormat", "")
            found.append(Answer(expr=expr, legend=legend, letter=target["refId"], series=series, error=error))
        yield Panel(plain=panel, answers=found)


def sheet(server: RunningPrometheus, name: str, *, domain: str, span: Span) -> Sheet:
    """All that is to be drawn of a dashboard."""
    plain = dashboard(name)
    marks = []
    for mark in plain["annotations"].get("list", ()):
        target = mark["target"]
        expr = target["expr"].replace(target["interval"], f"{_LEAST_STEP_S:.0f}s")
        expr = filled(expr, domain=domain, span=span)
        for series in server.range(expr, span.from_s, span.to_s, span.step_s):
            marks += [(at_s, str(mark["iconColor"])) for at_s in _beginnings(series, span.step_s)]
    return Sheet(
        title=plain["title"],
        rows={
            row["title"].replace("$domain", domain): row["gridPos"]["y"]
            for row in plain["panels"]
            if row["type"] == "row"
        },
        panels=list(answered(server, name, domain=domain, span=span)),
        marks=marks,
    )


def _beginnings(series: Series, step_s: float) -> Iterator[float]:
    """When a series that comes and goes came."""
    before_s = float("-inf")
    for at_s, _ in series.points:
        if at_s - before_s > 1.5 * step_s:
            yield at_s
        before_s = at_s
