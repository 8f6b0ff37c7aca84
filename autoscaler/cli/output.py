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
from itertools import zip_longest
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len

from autoscaler.cli.fitting import LEAST, fitted, padded, shortened
from autoscaler.errors import AutoscalerError
from autoscaler.policyfile.problem import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from _typeshed import ReadableBuffer

    from autoscaler.replay.report.blocks import Grid


_LEAST_WIDTH = 20
_LONGEST_NAME = 40
"""In columns of a terminal: on a wide one, too, what belongs together is not to be far apart."""
_MOST_LINES = 3
"""Of a cell, or a name with many spaces would fill the screen."""


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
    """Text made harmless: as it is, or on a terminal in lines that break between words and are indented.

    What stands before it on its first line is as wide as the indent.
    """
    return hanging(" " * indent + text, indent=indent)[indent:]


def hanging(text: str, *, indent: int) -> str:
    """The same of a text with nothing before it: all lines but the first are indented."""
    harmless = printable(text)
    if not _on_terminal():
        return harmless
    width = max(get_terminal_size().columns, indent + _LEAST_WIDTH)
    lines = textwrap.wrap(harmless, width, subsequent_indent=" " * indent, break_on_hyphens=False)
    return "\n".join(lines)


def named(name: str) -> str:
    """A name amid other text: as it is, or on a terminal without its middle where it would take a third."""
    return shortened(printable(name), get_terminal_size().columns // 3) if _on_terminal() else name


def say_where(text: str) -> None:
    """Point out where there is more, to a person: nothing where the output is no terminal."""
    if _on_terminal():
        typer.echo(text)


def state_of(domain: Mapping[str, Any]) -> str:
    """What is wrong with a domain or ordered for it, by the names of its conditions."""
    return " ".join(domain["conditions"]) or "ok"


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings, numbers to the right, each cell made harmless.

    On a terminal they fit into its width: sentences are broken into lines, names lose their middle.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [all(isinstance(row[index], int | float) for row in rows) for index in range(len(headings))]
    _print_columns(headings, cells, numeric)


def print_grid(grid: Grid) -> None:
    """Print a table of a report, in the same way."""
    cells = [[_cell(value) for value in row] for row in grid.rows]
    numeric = [column not in grid.words for column in range(len(grid.headings))]
    _print_columns(grid.headings, cells, numeric)


def _print_columns(headings: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool]) -> None:
    widths, gap = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)], "  "
    if _on_terminal():
        named = [_has_long_name(column) for column in zip(*cells, strict=True)] or [False] * len(widths)
        widths = [
            min(width, _LONGEST_NAME) if long else width for width, long in zip(widths, named, strict=True)
        ]
        columns, gaps = get_terminal_size().columns, len(widths) - 1
        gap = gap if sum(widths) + len(gap) * gaps <= columns else " "
        room = columns - len(gap) * gaps
        widths = fitted(widths, [not long for long in named], room, least=_LEAST_WIDTH)
        words = [_longest_word(column) for column in zip(*cells, strict=True)] or [0] * len(widths)
        narrowest = [
            max(LEAST, min(word, _LEAST_WIDTH)) if index == gaps else LEAST
            for index, word in enumerate(words)
        ]
        widths = fitted(widths, numeric, room, least=narrowest)
    for row in (headings, ["-" * width for width in widths], *cells):
        columns_of_lines = [
            _in_lines(cell, width, whole=index == len(row) - 1)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for line in zip_longest(*columns_of_lines, fillvalue=""):
            parts = (
                padded(part, width, right=right)
                for part, width, right in zip(line, widths, numeric, strict=True)
            )
            typer.echo(gap.join(parts).rstrip())


def _has_long_name(cells: Sequence[str]) -> bool:
    """Whether a column is made so wide by a name, not by a sentence."""
    longest = max(cells, key=cell_len)
    return cell_len(longest) > _LEAST_WIDTH and " " not in longest


def _longest_word(cells: Sequence[str]) -> int:
    """Columns below which a column breaks within a word."""
    return max((cell_len(word) for cell in cells for word in cell.split()), default=0)


def _in_lines(cell: str, width: int, *, whole: bool) -> list[str]:
    """A cell in lines that fit: a few words between which it breaks, or all of it, or a name shortened."""
    if cell_len(cell) <= width:
        return [cell]
    lines = textwrap.wrap(cell, width, break_on_hyphens=False)
    return lines if whole or (" " in cell and len(lines) <= _MOST_LINES) else [shortened(cell, width)]


def _on_terminal() -> bool:
    return sys.stdout.isatty()


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else printable(str(value))
