"""How commands print: aligned tables as virsh does, or JSON; no name from outside can steer a terminal."""

from __future__ import annotations

import json
import sys
import textwrap
from enum import StrEnum
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.policyfile.problem import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.replay.report.blocks import Grid


_LEAST_WIDTH = 20
_LONGEST_CELL = 40
"""On a terminal: one name of 200 letters would have every line broken."""


class Output(StrEnum):
    """The form of a command's answer."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", help="Print text for people or JSON for programs.")]


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
