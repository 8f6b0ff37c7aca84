"""Reads one file: finds out what it is, and turns its rows into recordings.

Invariant: a file gives recordings only when nothing at all is wrong with its rows.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autoscaler.replay.findings import TooManyProblems
from autoscaler.replay.reading.files import opened
from autoscaler.replay.reading.gathered import Gathered, name_fault
from autoscaler.replay.reading.parquet_table import MAGIC, read_parquet_table
from autoscaler.replay.reading.shapes import REQUESTS, Unit, recognise
from autoscaler.replay.reading.text_table import read_text_table, whole_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from io import BufferedIOBase
    from pathlib import Path

    from autoscaler.replay.findings import Problems, Repairs
    from autoscaler.replay.reading.chunk import Table
    from autoscaler.replay.reading.decoded import Scales
    from autoscaler.replay.reading.shapes import Shape
    from autoscaler.replay.recording import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReader:
    """Reads files one after the other, all in the same way."""

    forced: Shape | None
    scales: Scales
    problems: Problems
    repairs: Repairs
    units: set[Unit] = field(default_factory=set)
    """Of the values that the caller's scales were needed for."""

    def recordings(self, path: Path, progress: Callable[[int], None]) -> Iterable[Recording]:
        """What a file holds; nothing where something is wrong with it.

        Args:
            path: The file.
            progress: Told now and then how many bytes of the file, as it lies on the disk, were read.
        """
        gathered: Gathered | None = None
        header_line: int | None = None
        try:
            with opened(path) as (first, file):
                header_line = None if first == MAGIC else 1
                table = self._table(path, first, file)
                shape = table and self._shape(path, table.header)
                if table and shape:
                    table = whole_table(shape.columns, table) if shape is REQUESTS else table
                    gathered = Gathered(str(path), shape, table.header, self.scales, self.problems)
                    for chunk in table.chunks:
                        gathered.add(chunk)
                        progress(os.lseek(file.fileno(), 0, os.SEEK_CUR))
        except TooManyProblems:
            return []
        except (OSError, EOFError, zlib.error) as error:
            self.problems.add(str(path), None, f"the file cannot be read: {error}")
        if gathered is None or self.problems.spoil(str(path)):
            return []
        if not gathered.rows:
            self.problems.add(str(path), header_line, "a header and no row of demand")
            return []
        return gathered.recordings(_stem(path), self.repairs)

    def _table(self, path: Path, first: bytes, file: BufferedIOBase) -> Table | None:
        if first == MAGIC:
            return read_parquet_table(path, self.problems)
        return read_text_table(file, str(path), self.problems, self.repairs)

    def _shape(self, path: Path, header: tuple[str, ...]) -> Shape | None:
        shape = recognise(header, str(path), self.forced, self.problems)
        if shape is None:
            return None
        fault = name_fault(_stem(path)) if shape.domain is None else None
        if fault or (fault := self._missing_scale(shape, header)):
            self.problems.add(str(path), 1, fault)
            return None
        return shape

    def _missing_scale(self, shape: Shape, header: tuple[str, ...]) -> str | None:
        if shape.unit is Unit.PERCENT and shape.scale not in header:
            self.units.add(Unit.PERCENT)
            if self.scales.full_scale_vcpus is None:
                return "the values are percent: say how many vCPUs 100 % are, with --full-scale"
        if shape.unit is Unit.REQUESTS:
            self.units.add(Unit.REQUESTS)
            if self.scales.cost_per_request_vcpu_s is None:
                return "the values are requests: say how many vCPU-seconds one takes, with --cost-per-request"
        return None


def _stem(path: Path) -> str:
    """The file's name without what says how it is packed and written."""
    name = path.name.removesuffix(".gz")
    return name.rpartition(".")[0] or name
