"""Gathers the rows of one file into a recording of each of its domains.

Invariant: a row is taken as it stands or is a problem at its line; rows keep the order of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autoscaler.replay.findings import Mend, TooManyProblems, shown
from autoscaler.replay.reading.cells import number
from autoscaler.replay.reading.decoded import MOST_PERCENT, Decoded, Decoder, Faults
from autoscaler.replay.reading.shapes import Unit
from autoscaler.replay.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from autoscaler.replay.findings import Problems, Repairs
    from autoscaler.replay.reading.chunk import Chunk
    from autoscaler.replay.reading.decoded import Scales
    from autoscaler.replay.reading.shapes import Shape

    Floats = npt.NDArray[np.float64]

MOST_ROWS = 50_000_000
"""Of one file; they take 3 GB while they are sorted by domain."""
MOST_DOMAINS = 100_000
LONGEST_NAME = 255
_ANOTHER_UNIT = 10.0
"""So many times what it was before, and so many vCPUs, looks like percent."""
_LEAST_ROWS = 3
"""On either side, for a level."""
_NEAR_START_S, _EARLY_S = 10_000.0, 1e8
"""Traces that count from their own start begin before the one, recordings after the other, which is in 1973:
today is 20,000 days, or 30 million minutes, after the epoch."""


class Gathered:
    """The rows of one file so far."""

    def __init__(
        self, place: str, shape: Shape, header: tuple[str, ...], scales: Scales, problems: Problems
    ) -> None:
        self._place = place
        self._domain_at = None if shape.domain is None else header.index(shape.domain)
        self._decoder = Decoder(shape, header, scales)
        self._problems = problems
        self._codes: dict[str, int] = {}
        self._of_domain: list[npt.NDArray[np.int32]] = []
        self._lines: list[npt.NDArray[np.int32]] = []
        self._decoded: list[Decoded] = []
        self.rows = 0

    def add(self, chunk: Chunk) -> None:
        """Take some rows; what is wrong with them is noted, in the order of their lines.

        Raises:
            TooManyProblems: when the file is not to be read any further.
        """
        faults = Faults()
        codes = self._domains(chunk, faults)
        decoded = self._decoder.decoded(chunk, faults)
        for row, message in sorted(faults.of_row.items()):
            self._problems.add(self._place, int(chunk.lines[row]), message)
        self._of_domain.append(codes)
        self._lines.append(chunk.lines.astype(np.int32))
        self._decoded.append(decoded)
        self.rows += len(codes)
        for much, most, what in (
            (self.rows, MOST_ROWS, "rows"),
            (len(self._codes), MOST_DOMAINS, "domains"),
        ):
            if much > most:
                self._problems.add(self._place, None, f"the file has over {most} {what}; split it")
                raise TooManyProblems(self._place)

    def recordings(self, file_domain: str, repairs: Repairs) -> Iterator[Recording]:
        """What was gathered, at least a row, a domain at a time in the order of their first rows.

        Args:
            file_domain: The domain's name where the file has none.
            repairs: Where rows that say nothing are noted.
        """
        of_domain, lines = np.concatenate(self._of_domain), np.concatenate(self._lines)
        decoded, decoder = self._whole(), self._decoder
        if decoder.shape.unit is Unit.PERCENT and 0 < decoder.most <= 1:
            repairs.note(
                self._place,
                "all percents are at or below 1: a ratio? then multiply it by 100; it is taken as percent",
            )
        if decoder.shape.clock is number and _NEAR_START_S < decoded.begin_s.min() < _EARLY_S:
            repairs.note(
                self._place,
                "the times begin in 1970 to 1973: minutes, hours or days since the epoch? they are taken as "
                "seconds",
            )
        order = np.argsort(of_domain, kind="stable")
        ends = np.cumsum(np.bincount(of_domain))
        for name, rows in zip(self._codes or {file_domain: 0}, np.split(order, ends[:-1]), strict=True):
            yield self._recording(name, lines[rows], decoded.picked(rows), repairs)

    def _whole(self) -> Decoded:
        parts = self._decoded
        return Decoded(
            begin_s=np.concatenate([part.begin_s for part in parts]),
            lasting_s=_joined([part.lasting_s for part in parts]),
            demand_vcpus=np.concatenate([part.demand_vcpus for part in parts]),
            vcpus=_joined([part.vcpus for part in parts]),
            maximum=_joined([part.maximum for part in parts]),
        )

    def _recording(
        self, domain: str, lines: npt.NDArray[np.int32], decoded: Decoded, repairs: Repairs
    ) -> Recording:
        demand = decoded.demand_vcpus
        nothing = np.full(len(demand), np.nan)
        had, most = (nothing if count is None else count for count in (decoded.vcpus, decoded.maximum))
        off = np.fmax(had, most) == 0
        in_time = np.argsort(decoded.begin_s, kind="stable")
        changed, in_another_unit = np.zeros((2, len(demand)), dtype=np.bool_)
        changed[in_time] = _changed(had[in_time]) | _changed(most[in_time])
        mended = {Mend.EMPTY: np.isnan(demand), Mend.OFF: off, Mend.COUNT: changed}
        if self._decoder.shape.unit is Unit.VCPUS:
            in_another_unit[in_time] = _in_another_unit(demand[in_time])
            mended[Mend.UNIT] = in_another_unit
        for mend, rows in mended.items():
            if rows.any():
                first, many = int(lines[np.argmax(rows)]), int(rows.sum())
                repairs.mended(self._place, first, mend, domain=domain, rows=many)
        return Recording(
            domain=domain,
            place=self._place,
            lines=lines,
            begin_s=decoded.begin_s,
            lasting_s=decoded.lasting_s,
            demand_vcpus=np.where(off, np.nan, demand),
            vcpus=int(np.nan_to_num(had).max()),
            maximum=int(np.nan_to_num(most).max()),
        )

    def _domains(self, chunk: Chunk, faults: Faults) -> npt.NDArray[np.int32]:
        """The number of each row's domain."""
        if self._domain_at is None:
            return np.zeros(len(chunk.lines), dtype=np.int32)
        names, codes = chunk.columns[self._domain_at], self._codes
        if isinstance(names, np.ndarray):
            names = ["" if np.isnan(name) else f"{name:.17g}" for name in names]
        for name in dict.fromkeys(names):
            if name not in codes:
                codes[name] = len(codes)
                if fault := name_fault(name):
                    faults.of_row.setdefault(names.index(name), fault)
        return np.fromiter(map(codes.__getitem__, names), np.int32, len(names))


def _changed(count: Floats) -> npt.NDArray[np.bool_]:
    """Which rows, in the order of their time, state another count than the row before that states one."""
    said = np.flatnonzero(count > 0)
    changed = np.zeros(len(count), dtype=np.bool_)
    changed[said[1:]] = np.diff(count[said]) != 0
    return changed


def _in_another_unit(demand: Floats) -> npt.NDArray[np.bool_]:
    """Which rows seem to be percent among vCPUs: a level that came once and stays.

    They are in the order of their time. Load that comes in bursts falls back to what it was, so it never
    looks like that.
    """
    rows = np.zeros(len(demand), dtype=np.bool_)
    if len(demand) < 2 * _LEAST_ROWS or np.fmax.reduce(demand) > MOST_PERCENT:
        return rows
    before = np.fmax.accumulate(demand)[_LEAST_ROWS - 1 : -_LEAST_ROWS]
    after = np.fmin.accumulate(demand[::-1])[::-1][_LEAST_ROWS : len(demand) - _LEAST_ROWS + 1]
    jumps = (before > 0) & (after >= np.maximum(_ANOTHER_UNIT, _ANOTHER_UNIT * before))
    if jumps.any():
        rows[_LEAST_ROWS + int(np.argmax(jumps)) :] = True
    return rows


def _joined(parts: list[Floats | None]) -> Floats | None:
    said = [part for part in parts if part is not None]
    return np.concatenate(said) if said else None


def name_fault(name: str) -> str | None:
    """Why no domain is called that; None: one may be."""
    if not name or name != name.strip():
        return f"the domain's name is empty or has blanks around it: {shown(name)}"
    if len(name) > LONGEST_NAME or not name.isprintable():
        return f"no domain has such a name: {shown(name)}"
    return None
