"""What a domain wanted and had over a time, from the journal, in as many points as a chart can show.

Invariant: what was not recorded is missing, never a zero.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from math import isnan, nan
from typing import TYPE_CHECKING

from autoscaler.service.history import BLOCK_S, STEP_S, block_of
from autoscaler.service.journal_reader import domain_history, history_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from autoscaler.service.history import Block

_POINTS = 480
"""Most points of a chart."""
SPANS_S = {"1h": 3600.0, "6h": 21600.0, "24h": 86400.0, "7d": 604800.0}
"""What may be asked for, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What is known of one stretch of time; NaN and 0: nothing."""

    at_wall_s: float
    span_s: float
    demand_vcpus: float
    online: float
    plugged: float = 0
    upper: float = 0


def points_of(path: Path, host: str, uuid: str, from_wall_s: float, to_wall_s: float) -> list[Point]:
    """What the journal's history has of a domain between two moments, in its steps.

    Raises:
        JournalUnavailable: the journal cannot be read.
    """
    found: dict[float, Point] = {}
    rows = domain_history(path, host=host, uuid=uuid, from_wall_s=from_wall_s - BLOCK_S, to_wall_s=to_wall_s)
    for row in rows:
        try:
            block = block_of(row)
        except ValueError:  # A damaged block is a gap.
            continue
        for place, online in enumerate(block.online):
            at_wall_s = block.start_wall_s + place * STEP_S
            if online and from_wall_s <= at_wall_s < to_wall_s:
                found[at_wall_s] = Point(
                    at_wall_s=at_wall_s,
                    span_s=STEP_S,
                    demand_vcpus=block.demand_vcpus[place],
                    online=online,
                    plugged=block.plugged[place],
                    upper=block.upper[place],
                )
    return sorted(found.values(), key=lambda point: point.at_wall_s)


def blocks_within(path: Path, from_wall_s: float, to_wall_s: float) -> list[Block]:
    """What the history has of all domains between two moments; blocks that are damaged are left out.

    Raises:
        JournalUnavailable: the journal cannot be read.
    """
    found = []
    for row in history_of(path, from_wall_s=from_wall_s - BLOCK_S, to_wall_s=to_wall_s):
        with suppress(ValueError):
            found.append(block_of(row))
    return found


def thinned(known: Sequence[Point], span_s: float) -> list[Point]:
    """Points of a time of `span_s`, no more than a chart shows: means of demand, the newest of the counts."""
    width_s = max(span_s / _POINTS, STEP_S)
    groups = groupby(known, key=lambda point: point.at_wall_s // width_s)
    return [_joined(list(group)) for _, group in groups]


def _joined(points: Sequence[Point]) -> Point:
    first, last = points[0], points[-1]
    demand = [point.demand_vcpus for point in points if not isnan(point.demand_vcpus)]
    return Point(
        at_wall_s=first.at_wall_s,
        span_s=last.at_wall_s + last.span_s - first.at_wall_s,
        demand_vcpus=sum(demand) / len(demand) if demand else nan,
        online=last.online,
        plugged=last.plugged,
        upper=last.upper,
    )
