"""Turns a chunk's cells into times and vCPUs, by what its shape says that they mean.

Invariant: every row that is not plainly what the shape says has a fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.replay.findings import shown
from autoscaler.replay.reading.cells import is_date, number, parsed
from autoscaler.replay.reading.shapes import Unit
from autoscaler.replay.recording import MOST_VCPUS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from autoscaler.replay.reading.cells import Parse
    from autoscaler.replay.reading.chunk import Chunk
    from autoscaler.replay.reading.shapes import Shape

    Floats = npt.NDArray[np.float64]

MOST_PERCENT = 110.0
"""Guests run a little over 100 % when clocks are raised; beyond that the full scale is another one."""
_SECONDS = "seconds since the epoch are wanted"
_TOO_LATE_S = 1e11
"""The year 5138; what is later is not in seconds."""
_FINER = ((1e17, "nanoseconds"), (1e14, "microseconds"), (_TOO_LATE_S, "milliseconds"))


@dataclass(frozen=True, slots=True)
class Scales:
    """What turns values of other units into vCPUs."""

    full_scale_vcpus: float | None
    """100 % of a series without a scale of its own."""
    cost_per_request_vcpu_s: float | None
    """vCPU-seconds that one request takes."""


@dataclass(slots=True)
class Faults:
    """What is wrong with the rows of a chunk, the first thing for each."""

    of_row: dict[int, str] = field(default_factory=dict)

    def where(self, wrong: npt.NDArray[np.bool_], tell: Callable[[int], str]) -> None:
        """Note a fault of each row that is wrong and has none yet."""
        for row in map(int, np.flatnonzero(wrong)):
            if row not in self.of_row:
                self.of_row[row] = tell(row)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Rows as numbers; arrays have the shape (rows,)."""

    begin_s: Floats
    lasting_s: Floats | None
    """None: the shape does not say."""
    demand_vcpus: Floats
    """NaN: the cell is empty."""
    vcpus: Floats | None
    """That the domain had. None: the file does not say; NaN: the row does not. So the next."""
    maximum: Floats | None
    """The most that it can have."""

    def picked(self, rows: npt.NDArray[np.intp]) -> Decoded:
        """Some of the rows."""
        return Decoded(
            begin_s=self.begin_s[rows],
            lasting_s=None if self.lasting_s is None else self.lasting_s[rows],
            demand_vcpus=self.demand_vcpus[rows],
            vcpus=None if self.vcpus is None else self.vcpus[rows],
            maximum=None if self.maximum is None else self.maximum[rows],
        )


@dataclass(slots=True)
class Decoder:
    """Decodes the chunks of one file."""

    shape: Shape
    header: tuple[str, ...]
    scales: Scales
    most: float = 0.0
    """The largest value so far, in the unit of the file."""

    def decoded(self, chunk: Chunk, faults: Faults) -> Decoded:
        """A chunk's rows; those with a fault hold anything."""
        time, lasting = self._time(chunk, faults), self._lasting(chunk, faults)
        value = self._value(chunk, faults)
        return Decoded(
            begin_s=time if lasting is None else time - lasting,
            lasting_s=lasting,
            vcpus=self._whole(chunk, self.shape.had, faults),
            maximum=self._whole(chunk, self.shape.limit, faults),
            demand_vcpus=self._demand(chunk, value, faults),
        )

    def _column(self, chunk: Chunk, name: str, parse: Parse, faults: Faults) -> Floats:
        column = chunk.columns[self.header.index(name)]
        values, odd = parsed(column, parse)
        kind = "number" if parse is number else "time such as this format has"
        for row in odd:
            cell = str(column[row])
            advice = f"; {_SECONDS}" if name == self.shape.time and parse is number and is_date(cell) else ""
            faults.of_row.setdefault(row, f"{name} is no {kind}: {shown(cell)}{advice}")
        return values

    def _time(self, chunk: Chunk, faults: Faults) -> Floats:
        if self.shape.time is None:
            return (chunk.lines - 1).astype(np.float64)
        time = self._column(chunk, self.shape.time, self.shape.clock, faults)
        faults.where(~((time >= 0) & (time < _TOO_LATE_S)), lambda row: _no_time(float(time[row])))
        return time

    def _lasting(self, chunk: Chunk, faults: Faults) -> Floats | None:
        name = self.shape.lasting
        if name is None:
            return None
        lasting = self._column(chunk, name, number, faults)
        faults.where(
            ~((lasting > 0) & (lasting < _TOO_LATE_S)),
            lambda row: f"{name} is {lasting[row]:g}: a time above 0 is wanted",
        )
        return lasting

    def _value(self, chunk: Chunk, faults: Faults) -> Floats:
        name = self.shape.value
        value = self._column(chunk, name, number, faults)
        faults.where(
            (value < 0) | np.isinf(value),
            lambda row: f"{name} is {value[row]:g}: demand is finite and not below 0",
        )
        self.most = max(self.most, float(np.fmax.reduce(value, initial=0.0)))
        if self.shape.unit is Unit.PERCENT:
            faults.where(
                value > MOST_PERCENT,
                lambda row: f"{value[row]:g} % is over the full scale; is it percent of one vCPU?",
            )
        return value

    def _whole(self, chunk: Chunk, name: str | None, faults: Faults) -> Floats | None:
        if name is None or name not in self.header:
            return None
        count = self._column(chunk, name, number, faults)
        odd = (count < 0) | (count > MOST_VCPUS) | (np.floor(count) != count)
        faults.where(
            odd & ~np.isnan(count),
            lambda row: f"{name} is {count[row]:g}: a whole number from 0 to {MOST_VCPUS} is wanted",
        )
        return count

    def _demand(self, chunk: Chunk, value: Floats, faults: Faults) -> Floats:
        match self.shape.unit:
            case Unit.VCPUS:
                demand = value
            case Unit.REQUESTS:
                demand = value * (self.scales.cost_per_request_vcpu_s or np.nan)
            case Unit.PERCENT:
                demand = value * self._full_scale(chunk, value, faults) / 100
        faults.where(
            demand > MOST_VCPUS,
            lambda row: (
                f"demand of {demand[row]:g} vCPUs: no guest has over {MOST_VCPUS}; is it another unit?"
            ),
        )
        return demand

    def _full_scale(self, chunk: Chunk, value: Floats, faults: Faults) -> Floats:
        name = self.shape.scale
        if name is None or name not in self.header:
            return np.full(len(value), self.scales.full_scale_vcpus or np.nan)
        scale = self._column(chunk, name, number, faults)
        faults.where(
            np.isnan(scale) & ~np.isnan(value),
            lambda _: f"{name} is empty: nobody can say what 100 % are",
        )
        return scale


def _no_time(time: float) -> str:
    for least, unit in _FINER:
        if least <= time < np.inf:
            return f"the time {time:.0f} seems to be in {unit}: seconds are wanted"
    return f"the time is {time:g}: {_SECONDS}"
