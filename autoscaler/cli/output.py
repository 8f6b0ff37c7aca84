"""How commands print: aligned tables as virsh does, or JSON; no name from outside can steer a terminal."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.policyfile.problem import printable

if TYPE_CHECKING:
    from collections.abc import Sequence


class Output(StrEnum):
    """The form of a command's answer."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", help="Print text for people or JSON for programs.")]


def print_json(value: object) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings, numbers to the right, each cell made harmless."""
    cells = [[_cell(value) for value in row] for row in rows]
    columns = list(zip(headings, *cells, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    numeric = [all(isinstance(row[index], int | float) for row in rows) for index in range(len(headings))]
    for line in ([*headings], ["-" * width for width in widths], *cells):
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        )
        typer.echo("  ".join(padded).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else printable(str(value))
