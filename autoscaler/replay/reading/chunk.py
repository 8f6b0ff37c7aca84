"""Rows of a table, some thousands at a time, a column each: what every kind of file is read as.

Invariant: all columns of a chunk, and its lines, have the same length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    Column: TypeAlias = "Sequence[str] | npt.NDArray[np.float64]"
    """Cells as text, or as numbers where the file knows numbers; NaN: empty."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows."""

    lines: npt.NDArray[np.int64]
    """Shape (rows,): where each stands, from 1; in a file without lines, the number of the row."""
    columns: Sequence[Column]
    """In the order of the header."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file as its header and its rows; an error that ends the rows early is among the problems."""

    header: tuple[str, ...]
    chunks: Iterator[Chunk]
