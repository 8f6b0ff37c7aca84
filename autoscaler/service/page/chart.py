"""The chart of one domain: demand against vCPUs over time, the moves marked, as paths for the template.

Invariant: the chart says nothing that the table of moves and the figures beside it do not say in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, isnan
from typing import TYPE_CHECKING, Any

from autoscaler.service.page.cells import clock_time
from autoscaler.service.page.drawing import line, short, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from autoscaler.service.page.timeline import Point

WIDTH, HEIGHT = 960, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 30, 10, 16, 26
_TICKS_S = (300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_MOST_TICKS = 8
_MOST_ROWS = 6
_DAY_S = 86400
_MARK = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A move: a triangle that points up or down, with its tip at the new count."""

    points: str
    direction: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """All that the template draws; lines are SVG paths."""

    demand: str
    area: str
    online: str
    plugged: str
    upper: str
    marks: Sequence[Mark]
    rows: Sequence[tuple[str, str]]
    """Height and text of each line across."""
    columns: Sequence[tuple[str, str]]
    """Place and text of each moment."""
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where moments and counts lie."""

    from_wall_s: float
    to_wall_s: float
    top: int

    def x(self, at_wall_s: float) -> float:
        share = (at_wall_s - self.from_wall_s) / (self.to_wall_s - self.from_wall_s)
        return _LEFT + min(max(share, 0.0), 1.0) * (WIDTH - _LEFT - _RIGHT)

    def y(self, vcpus: float) -> float:
        return _TOP + (1 - min(vcpus / self.top, 1.0)) * (HEIGHT - _TOP - _BOTTOM)


def chart_of(
    points: Sequence[Point], moves: Sequence[Mapping[str, Any]], *, from_wall_s: float, to_wall_s: float
) -> Chart:
    """Lay the chart out between two moments; `moves` as `journal_reader.moves` returns them."""
    counts = [max(point.online, point.plugged) for point in points]
    counts += [point.demand_vcpus for point in points if not isnan(point.demand_vcpus)]
    counts += [move["to_vcpus"] for move in moves]
    scale = _Scale(from_wall_s, to_wall_s, max(2, ceil(max(counts, default=1) + 0.25)))

    def stepped(count: Callable[[Point], float]) -> str:
        return steps(
            (
                scale.x(point.at_wall_s),
                scale.x(point.at_wall_s + point.span_s),
                scale.y(count(point)) if 0 < count(point) <= scale.top else None,
            )
            for point in points
        )

    demand = line(_demand(points, scale))
    return Chart(
        demand=demand,
        area="".join(_area(run, scale.y(0)) for run in demand.split("M") if "L" in run),
        online=stepped(lambda point: point.online),
        plugged=stepped(lambda point: point.plugged),
        upper=stepped(lambda point: point.upper),
        marks=[_mark(move, scale) for move in moves],
        rows=[(short(scale.y(count)), str(count)) for count in _rows(scale.top)],
        columns=list(_columns(scale)),
    )


def _demand(points: Sequence[Point], scale: _Scale) -> Iterator[tuple[float, float | None]]:
    end_s = None
    for point in points:
        if end_s is not None and point.at_wall_s > end_s + point.span_s:
            yield scale.x(end_s), None
        end_s = point.at_wall_s + point.span_s
        middle = scale.x(point.at_wall_s + point.span_s / 2)
        yield middle, None if isnan(point.demand_vcpus) else scale.y(point.demand_vcpus)


def _area(run: str, floor: float) -> str:
    """The area under one run of a line."""
    places = run.split("L")
    first, last = places[0].split(" ")[0], places[-1].split(" ")[0]
    return f"M{first} {short(floor)}L{run}L{last} {short(floor)}Z"


def _rows(top: int) -> range:
    return range(0, top + 1, max(1, ceil(top / _MOST_ROWS)))


def _columns(scale: _Scale) -> Iterator[tuple[str, str]]:
    span_s = scale.to_wall_s - scale.from_wall_s
    gap_s = next((gap for gap in _TICKS_S if span_s / gap <= _MOST_TICKS), _DAY_S)
    form = "%H:%M" if span_s <= _DAY_S else "%d %b"
    # Whole hours and days of the service's own time zone, as the texts are.
    offset = datetime.fromtimestamp(scale.from_wall_s, UTC).astimezone().utcoffset()
    offset_s = 0.0 if offset is None else offset.total_seconds()
    at_s = ceil((scale.from_wall_s + offset_s) / gap_s) * gap_s - offset_s
    while at_s < scale.to_wall_s:
        yield short(scale.x(at_s)), clock_time(at_s, form)
        at_s += gap_s


def _mark(move: Mapping[str, Any], scale: _Scale) -> Mark:
    x, y = scale.x(move["at_wall_s"]), scale.y(move["to_vcpus"])
    grows = move["to_vcpus"] > move["from_vcpus"]
    base = y + 2 * _MARK if grows else y - 2 * _MARK
    corners = ((x, y), (x - _MARK, base), (x + _MARK, base))
    return Mark(
        points=" ".join(f"{short(left)},{short(height)}" for left, height in corners),
        direction="up" if grows else "down",
        told=f"{move['from_vcpus']} → {move['to_vcpus']} at {clock_time(move['at_wall_s'])}",
    )
