"""Brings the rows of a recording onto an even grid of steps.

Invariant: the demand of a step is the mean, by time, of what was recorded in it, or lies between what was
recorded around it; of a time that no row speaks of, nothing is known.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.replay.findings import Mend
from autoscaler.replay.noise import chance, wobble
from autoscaler.replay.trace import Trace

if TYPE_CHECKING:
    import numpy.typing as npt

    from autoscaler.replay.findings import Problems, Repairs
    from autoscaler.replay.recording import Recording

    Floats = npt.NDArray[np.float64]

MOST_STEPS = 10_000_000
"""Of one trace: 3 years of 10 s. More comes of a wrong timestamp."""
LONGEST_INTERVAL_S = 3600.0
"""Coarser than that nothing can be said of seconds; it is what timestamps in milliseconds look like, too."""
LONGEST_BRIDGE = 3
"""A row that says not how long it holds does so until the next, for at most so many intervals."""
_SAME_RATIO = 0.05
"""An interval that differs by less from the step is taken for it: clocks jitter."""
_JITTER_RATIO = 0.01
"""Intervals that differ by less are not worth a sentence."""
_HOUR_S = 3600.0
_KNOWN_RATIO = 0.5
"""A step of which less than that was recorded is not known."""


class Spans(NamedTuple):
    """Rows as stretches of time that do not overlap; arrays have the shape (rows,)."""

    begin_s: Floats
    """From the recording's start."""
    end_s: Floats
    demand_vcpus: Floats


def even(
    recording: Recording, *, step_s: float, seed: int, problems: Problems, repairs: Repairs
) -> Trace | None:
    """Bring a recording onto steps of a length, and say what had to be mended.

    Where the recording is coarser than the steps, what lies between is interpolated between the means, with
    noise (`noise.wobble`) that leaves the vCPU-seconds of the whole trace as they are.

    Returns:
        None where it cannot be done; the problems then have the reason.
    """
    single = _single(_ordered(recording, repairs), problems, repairs)
    if len(single.begin_s) == 1:
        problems.add(
            single.place, single.line(0), f"{single.domain} has a single row; that is no course of time"
        )
        return None
    interval_s = _interval_s(single, step_s)
    spans = _spans(single, interval_s, repairs)
    _tell(single, Mend.BEYOND, single.demand_vcpus > (single.maximum or np.inf), repairs)
    if wrong := _wrong_length(single, spans, interval_s, step_s):
        problems.add(single.place, single.line(0), wrong)
        return None
    cell_s = max(interval_s, step_s)
    means = _means(spans, cell_s)
    if np.isnan(means).all():
        problems.add(single.place, single.line(0), f"nothing is known of {single.domain} in all its rows")
        return None
    demand = (
        means if cell_s == step_s else _between(means, cell_s, step_s, chance(seed, single.domain, "between"))
    )
    return Trace(
        domain=single.domain,
        start_s=float(single.begin_s[0]),
        step_s=step_s,
        demand_vcpus=demand,
        maximum=_maximum(single, float(np.nanmax(means))),
        recorded_s=interval_s,
    )


def _ordered(recording: Recording, repairs: Repairs) -> Recording:
    late = np.flatnonzero(np.diff(recording.begin_s) < 0) + 1
    if not len(late):
        return recording
    steps_s = np.diff(recording.begin_s)
    hour = np.isclose(steps_s[late - 1], np.median(steps_s) - _HOUR_S)
    for mend, rows in ((Mend.HOUR, late[hour]), (Mend.SORTED, late[~hour])):
        if len(rows):
            first = recording.line(int(rows[0]))
            repairs.mended(recording.place, first, mend, domain=recording.domain, rows=len(rows))
    return _picked(recording, np.argsort(recording.begin_s, kind="stable"))


def _single(recording: Recording, problems: Problems, repairs: Repairs) -> Recording:
    again = np.flatnonzero(np.diff(recording.begin_s) == 0) + 1
    if not len(again):
        return recording
    was, now = recording.demand_vcpus[again - 1], recording.demand_vcpus[again]
    for row in again[~((was == now) | (np.isnan(was) & np.isnan(now)))]:
        first, second = recording.line(int(row) - 1), recording.line(int(row))
        elsewhere = "" if first is None else f" (line {first})"
        problems.add(
            recording.place,
            second,
            f"{recording.domain} has two values for the same time: {recording.demand_vcpus[row]:g}, and"
            f" {recording.demand_vcpus[row - 1]:g} before{elsewhere}; keep the true one, or give times in UTC"
            " if local time had this hour twice",
        )
    repairs.mended(
        recording.place, recording.line(int(again[0])), Mend.DOUBLED, domain=recording.domain, rows=len(again)
    )
    return _picked(recording, np.delete(np.arange(len(recording.begin_s)), again))


def _picked(recording: Recording, rows: npt.NDArray[np.intp]) -> Recording:
    return replace(
        recording,
        lines=None if recording.lines is None else recording.lines[rows],
        begin_s=recording.begin_s[rows],
        lasting_s=None if recording.lasting_s is None else recording.lasting_s[rows],
        demand_vcpus=recording.demand_vcpus[rows],
    )


def _interval_s(recording: Recording, step_s: float) -> float:
    """The usual interval of the rows; that of the steps where the two are nearly the same."""
    if recording.lasting_s is None:
        usual_s = float(np.median(np.diff(recording.begin_s)))
    else:
        known = ~np.isnan(recording.demand_vcpus)
        usual_s = float(np.median(recording.lasting_s[known] if known.any() else recording.lasting_s))
    return step_s if abs(usual_s - step_s) <= _SAME_RATIO * step_s else usual_s


def _wrong_length(recording: Recording, spans: Spans, interval_s: float, step_s: float) -> str | None:
    steps = float(spans.end_s[-1]) / step_s
    if interval_s > LONGEST_INTERVAL_S:
        return (
            f"the rows of {recording.domain} are {interval_s:g} s apart, too coarse to replay;"
            " are the timestamps in seconds?"
        )
    if steps > MOST_STEPS:
        widest = int(np.argmax(np.diff(spans.end_s, prepend=0.0)))
        after = "" if recording.lines is None else f", or look at line {recording.line(widest)}"
        return (
            f"{recording.domain} would have {steps:.0f} steps of {step_s:g} s, more than {MOST_STEPS};"
            f" take longer steps or less time{after}"
        )
    return None


def _spans(recording: Recording, interval_s: float, repairs: Repairs) -> Spans:
    """Where each row begins and ends, with what that mends."""
    begin_s = recording.begin_s - recording.begin_s[0]
    next_s = np.append(begin_s[1:], np.inf)

    if recording.lasting_s is None:
        bridged = next_s - begin_s <= LONGEST_BRIDGE * interval_s
        end_s = np.where(bridged, next_s, begin_s + interval_s)
    else:
        end_s = np.minimum(begin_s + recording.lasting_s, next_s)
        _tell(recording, Mend.CLIPPED, begin_s + recording.lasting_s > next_s, repairs)
    uneven = np.abs(end_s - begin_s - interval_s) > _JITTER_RATIO * interval_s
    _tell(recording, Mend.UNEVEN, uneven, repairs)
    silent_s = np.append(0.0, begin_s[1:] - end_s[:-1])
    _tell(recording, Mend.GAP, silent_s > _KNOWN_RATIO * interval_s, repairs)
    return Spans(begin_s, end_s, recording.demand_vcpus)


def _tell(recording: Recording, mend: Mend, rows: npt.NDArray[np.bool_], repairs: Repairs) -> None:
    if rows.any():
        first = recording.line(int(np.argmax(rows)))
        repairs.mended(recording.place, first, mend, domain=recording.domain, rows=int(rows.sum()))


def _means(spans: Spans, cell_s: float) -> Floats:
    """The mean by time over each cell of a grid; NaN where less than half of a cell is known.

    Rows and grid are cut at each other's borders, so that every piece lies in one row and one cell.
    """
    cells = max(1, math.floor(float(spans.end_s[-1]) / cell_s + _KNOWN_RATIO))
    grid_s = cell_s * np.arange(cells + 1)
    cuts = np.unique(np.concatenate([spans.begin_s, spans.end_s, grid_s]))
    middle_s = (cuts[:-1] + cuts[1:]) / 2
    row = np.searchsorted(spans.begin_s, middle_s, side="right") - 1
    cell = np.searchsorted(grid_s, middle_s, side="right") - 1
    demand = spans.demand_vcpus[row]
    known = (middle_s < spans.end_s[row]) & (cell < cells) & ~np.isnan(demand)
    length_s, cell, demand = np.diff(cuts)[known], cell[known], demand[known]
    covered_s = np.bincount(cell, length_s, cells)
    total = np.bincount(cell, length_s * demand, cells)
    enough = covered_s >= _KNOWN_RATIO * cell_s * (1 - 1e-9)
    means: Floats = np.divide(total, covered_s, out=np.full(cells, np.nan), where=enough)
    # A row that fills its cell is taken to the last digit, which multiplying and dividing would not leave.
    alone = (np.bincount(cell, minlength=cells) == 1)[cell] & enough[cell]
    means[cell[alone]] = demand[alone]
    return means


def _between(means: Floats, cell_s: float, step_s: float, rng: np.random.Generator) -> Floats:
    """Steps that are finer than the cells: between the means of neighbours, and noisy as demand is."""
    steps = max(1, round(len(means) * cell_s / step_s))
    at = (np.arange(steps) + 0.5) * (step_s / cell_s)
    cell = np.minimum(at.astype(np.intp), len(means) - 1)
    aside = at - cell - 0.5
    # Beyond the ends, and beside a gap, there is nothing to lean to.
    beside = np.clip(cell + np.sign(aside).astype(np.intp), 0, len(means) - 1)
    beside = np.where(np.isnan(means[beside]), cell, beside)
    line = means[cell] + np.abs(aside) * (means[beside] - means[cell])
    noisy: Floats = line * wobble(rng, steps, step_s)
    total = float(np.nansum(noisy))
    if total > 0:
        noisy *= float(np.nansum(line)) / total
    return noisy


def _maximum(recording: Recording, peak_vcpus: float) -> int:
    """The most vCPUs: what is stated, else what the domain had or room for twice the peak."""
    return recording.maximum or max(2, recording.vcpus, math.ceil(2 * peak_vcpus))
