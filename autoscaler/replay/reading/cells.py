"""Cells to numbers: one way to write a number, and three to write a time.

Invariant: a cell that is no plain number is not read as one. Empty, and "nan", is NaN.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from autoscaler.replay.reading.chunk import Column

Parse: TypeAlias = Callable[[str], float]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf|nan|", re.ASCII | re.IGNORECASE)
_ODD = re.compile(r"[^0-9.eE+\-]")
_DATED = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_DOTTED = re.compile(r"(\d{4})\.(\d\d)\.(\d\d)-(\d\d:\d\d:\d\d):(\d{3})", re.ASCII)


def number(cell: str) -> float:
    """A plain decimal number.

    Raises:
        ValueError: it is none: digits in groups, a unit behind it, another alphabet.
    """
    text = cell.strip(" ")
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text or "nan")


def dated(cell: str) -> float:
    """Seconds since the epoch of ``2014-05-14 01:14:00``, which is taken as UTC, or of such a time in a zone.

    Raises:
        ValueError: it is no such time.
    """
    if not _DATED.fullmatch(cell):
        raise ValueError(cell)
    found = datetime.fromisoformat(cell)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def is_date(cell: str) -> bool:
    """Whether a cell is such a time."""
    return _DATED.fullmatch(cell) is not None


def dotted(cell: str) -> float:
    """Seconds since the epoch of ``2023.04.02-00:09:00:000``, which is taken as UTC.

    Raises:
        ValueError: it is no such time.
    """
    found = _DOTTED.fullmatch(cell)
    if not found:
        raise ValueError(cell)
    year, month, day, clock, millis = found.groups()
    return dated(f"{year}-{month}-{day} {clock}.{millis}")


def parsed(column: Column, parse: Parse) -> tuple[npt.NDArray[np.float64], list[int]]:
    """A column as numbers.

    Returns:
        Shape (rows,), and the rows whose cells are none; these are NaN.
    """
    if isinstance(column, np.ndarray):
        return column, []
    if parse is number and not _ODD.search("".join(column)):
        try:
            return np.fromiter(map(float, column), np.float64, len(column)), []
        except ValueError:
            pass  # some cell is empty or odd: one by one
    values, wrong = np.full(len(column), np.nan), []
    for row, cell in enumerate(column):
        try:
            values[row] = parse(cell)
        except ValueError:
            wrong.append(row)
    return values, wrong
