"""How commands print: aligned tables as virsh does, or JSON; no name from outside can steer a terminal.

Invariant: what could not be printed is never taken for printed: a command whose output is lost ends with a
sentence and 1.
"""

from __future__ import annotations

import io
import json
import sys
import textwrap
from enum import StrEnum
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.policyfile.problem import printable
from autoscaler.ports import AutoscalerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import ReadableBuffer

    from autoscaler.replay.report.blocks import Grid


_LEAST_WIDTH = 20
_LONGEST_CELL = 40
"""On a terminal: one name of 200 letters would have every line broken."""


class Output(StrEnum):
    """The form of a command's answer."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", help="Print text for people or JSON for programs.")]


class OutputLost(AutoscalerError):
    """Standard output does not take what is to be printed."""


class _Output(io.FileIO):
    """Standard output, whose failure has a sentence, but for a reader that has gone away: it wants none."""

    _is_lost = False

    def write(self, data: ReadableBuffer, /) -> int:
        if self._is_lost:
            # Python tries once more as it ends, and would say so in its own words.
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except BrokenPipeError:
            self._is_lost = True
            raise
        except OSError as error:
            self._is_lost = True
            raise OutputLost(f"the output cannot be written ({error.strerror})") from error


def say_when_output_is_lost() -> None:
    """From now on, have the process's output raise `OutputLost` where it cannot be written."""
    out = sys.stdout
    if not isinstance(out, io.TextIOWrapper) or out is not sys.__stdout__:
        return  # None is open, or somebody put another in its place.
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(out.fileno(), "w", closefd=False)),
        encoding=out.encoding,
        errors=out.errors,
        line_buffering=out.line_buffering,
        write_through=out.write_through,
    )


def print_json(value: object) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2))


def folded(text: str, *, indent: int) -> str:
    """Text made harmless: as it is, or on a terminal in lines that break between words and are indented."""
    harmless = printable(text)
    if not _on_terminal():
        return harmless
    width = max(get_terminal_size().columns - indent, _LEAST_WIDTH)
    return f"\n{' ' * indent}".join(textwrap.wrap(harmless, width, break_on_hyphens=False))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings, numbers to the right, each cell made harmless."""
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [all(isinstance(row[index], int | float) for row in rows) for index in range(len(headings))]
    _print_columns(headings, cells, numeric)


def print_grid(grid: Grid) -> None:
    """Print a table of a report, in the same way."""
    cells = [[_cell(value) for value in row] for row in grid.rows]
    numeric = [column not in grid.words for column in range(len(grid.headings))]
    _print_columns(grid.headings, cells, numeric)


def _print_columns(headings: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool]) -> None:
    if _on_terminal():
        cells = [[*(_cut(cell) for cell in row[:-1]), row[-1]] for row in cells]
    columns = list(zip(headings, *cells, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    for line in ([*headings], ["-" * width for width in widths], *cells):
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        )
        typer.echo("  ".join(padded).rstrip())


def _on_terminal() -> bool:
    return sys.stdout.isatty()


def _cut(cell: str) -> str:
    return cell if len(cell) <= _LONGEST_CELL else f"{cell[: _LONGEST_CELL - 1]}…"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else printable(str(value))
