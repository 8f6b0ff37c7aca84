"""Traces from the service's own journal: the demand that its history tells."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from math import isclose
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.replay.trace import Trace
from autoscaler.service.history import STEP_S, STEPS, block_of
from autoscaler.service.journal_reader import history_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from autoscaler.service.history import Block


def journal_traces(
    path: Path, *, step_s: float, from_wall_s: float = 0.0, to_wall_s: float = float("inf")
) -> tuple[Trace, ...]:
    """The demand of every domain that the journal tells of between two moments, by name.

    Times that the service did not run, or did not see the guest, are gaps. A domain is called by its name,
    and by name and UUID where another has that name too.

    Args:
        path: the journal, also that of a running service.
        step_s: step of the traces, a whole multiple of the history's `STEP_S`.
        from_wall_s: seconds since the epoch; from the block on that begins at it or later.
        to_wall_s: up to the block that begins at it or earlier.

    Raises:
        JournalUnavailable: the journal cannot be read.
        ValueError: the step does not fit, or the history is damaged.
    """
    wide = round(step_s / STEP_S)
    if wide < 1 or not isclose(wide * STEP_S, step_s):
        raise ValueError(
            f"the journal has demand in steps of {STEP_S:g} s: choose a multiple of that as step"
        )
    blocks = map(block_of, history_of(path, from_wall_s=from_wall_s, to_wall_s=to_wall_s))
    domains = [list(found) for _, found in groupby(blocks, key=lambda block: (block.host, block.uuid))]
    names = Counter(found[-1].domain for found in domains)
    traces = [
        _trace(found, found[-1].domain if names[found[-1].domain] == 1 else _full_name(found[-1]), wide)
        for found in domains
    ]
    return tuple(sorted(traces, key=lambda trace: trace.domain))


def _full_name(block: Block) -> str:
    return f"{block.domain}#{block.uuid}"


def _trace(blocks: Sequence[Block], name: str, wide: int) -> Trace:
    start_s = blocks[0].start_wall_s
    length = round((blocks[-1].start_wall_s - start_s) / STEP_S) + STEPS
    demand = np.full(-(-length // wide) * wide, np.nan)
    for block in blocks:
        first = round((block.start_wall_s - start_s) / STEP_S)
        figures = np.array(block.demand_vcpus)
        # Two runs of the service may each have seen a part of a block.
        demand[first : first + STEPS] = np.where(np.isnan(figures), demand[first : first + STEPS], figures)
    steps = demand.reshape(-1, wide)
    known = ~np.isnan(steps)
    measured = known.sum(axis=1)
    means = np.divide(
        np.where(known, steps, 0.0).sum(axis=1), measured, out=np.full(len(steps), np.nan), where=measured > 0
    )
    return Trace(
        domain=name,
        start_s=start_s,
        step_s=wide * STEP_S,
        demand_vcpus=means,
        maximum=max(max(block.upper) for block in blocks),
        recorded_s=max(STEP_S, *(block.longest_s for block in blocks)),
    )
