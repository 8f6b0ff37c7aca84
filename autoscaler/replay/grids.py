"""Which traces can run side by side: those that begin together, last as long and have the same step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.replay.trace import Trace


def by_grid(traces: Sequence[Trace]) -> list[list[int]]:
    """The traces' indices, those on one grid together, in order."""
    grids: dict[tuple[float, float, int], list[int]] = {}
    for row, trace in enumerate(traces):
        grids.setdefault((trace.start_s, trace.step_s, len(trace.demand_vcpus)), []).append(row)
    return list(grids.values())
