"""How commands print: aligned tables as virsh does, or JSON; no name from outside can steer a terminal.

Invariant: what could not be printed is never taken for printed: a command whose output is lost ends with a
sentence and 1.
"""

from __future__ import annotations

import io
import json
import re
import sys
import textwrap
from enum import StrEnum
from itertools import zip_longest
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len

from autoscaler.cli.fitting import LEAST, fitted, padded, shortened
from autoscaler.core.condition import AS_ORDERED, LAST_SLICE_BAD, Condition
from autoscaler.errors import AutoscalerError
from autoscaler.policyfile.problem import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from _typeshed import ReadableBuffer

    from autoscaler.replay.report.blocks import Grid


_NOT_QUITE = f"ok: {LAST_SLICE_BAD}"
_NOT_KNOWN = frozenset({"-", "?"})
_SHARE = re.compile(r"[0-9.]+%")
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
    """What is wrong with a domain or ordered for it, by the names of its conditions, or that it is well."""
    return " ".join(domain["conditions"]) or (_NOT_QUITE if domain["slo"]["last_slice_bad"] else "ok")


def conditions_of(found: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with a domain or ordered for it: a word for each, and it by its name and its sentence."""
    for condition, sentence in found.items():
        if condition in AS_ORDERED:
            yield "order", sentence
        else:
            yield "risk" if condition == Condition.AT_RISK else "problem", f"{condition}: {sentence}"


def print_table(
    headings: Sequence[str], rows: Sequence[Sequence[object]], *, spare: Sequence[str] = ()
) -> None:
    """Print rows under headings, numbers to the right, each cell made harmless.

    On a terminal they fit into its width: sentences are broken into lines, names lose their middle. Where
    that does not suffice, columns that are `spare` are left out, the first of them first.
    """
    columns = [
        _Column(heading, [_cell(row[index]) for row in rows], is_last=index == len(headings) - 1)
        for index, heading in enumerate(headings)
    ]
    for index, column in enumerate(columns):
        column.numeric = _are_figures([row[index] for row in rows])
    if _on_terminal():
        for heading in spare:
            if sum(column.least for column in columns) + len(columns) - 1 > get_terminal_size().columns:
                columns = [column for column in columns if column.heading != heading]
    _print_columns(columns)


def print_grid(grid: Grid) -> None:
    """Print a table of a report, in the same way."""
    columns = [
        _Column(heading, [_cell(row[index]) for row in grid.rows], is_last=index == len(grid.headings) - 1)
        for index, heading in enumerate(grid.headings)
    ]
    for index, column in enumerate(columns):
        column.numeric = index not in grid.words
    _print_columns(columns)


class _Column:
    """A column of a table, and the room that it takes."""

    def __init__(self, heading: str, cells: Sequence[str], *, is_last: bool) -> None:
        self.heading = heading
        self.cells = cells
        self.is_last = is_last
        """Then a cell has as many lines as it takes, and none is shortened."""
        self.numeric = False
        self.width = max(map(cell_len, (heading, *cells)))
        longest = max(cells, key=cell_len, default="")
        self.is_long_name = cell_len(longest) > _LEAST_WIDTH and " " not in longest
        """Whether it is made so wide by a name, not by a sentence."""

    @property
    def least(self) -> int:
        """In fewer columns of the terminal it says less than it could; a name can always do with `LEAST`."""
        if self.numeric:
            return self.width
        told = [cell for cell in self.cells if self.is_last or " " in cell]
        widths = range(LEAST, _LEAST_WIDTH + 1)
        fit = (width for width in widths if all(self._tells(cell, width) for cell in told))
        return min(self.width, next(fit, _LEAST_WIDTH if self.is_last else LEAST))

    def _tells(self, cell: str, width: int) -> bool:
        """Whether a sentence is whole at such a width, and so is each of its words."""
        if max(map(cell_len, cell.split()), default=0) > width:
            return False
        return self.is_last or len(_wrapped(cell, width)) <= _MOST_LINES


def _print_columns(columns: Sequence[_Column]) -> None:
    widths, numeric, gap = [column.width for column in columns], [it.numeric for it in columns], "  "
    if _on_terminal():
        widths = [min(it.width, _LONGEST_NAME) if it.is_long_name else it.width for it in columns]
        room, gaps = get_terminal_size().columns, len(widths) - 1
        gap = gap if sum(widths) + len(gap) * gaps <= room else " "
        room -= len(gap) * gaps
        names = [it.is_long_name for it in columns]
        widths = fitted(widths, [not long for long in names], room, least=_LEAST_WIDTH)
        widths = fitted(widths, numeric, room, least=[it.least for it in columns])
    rows = zip(*(it.cells for it in columns), strict=True)
    for row in ([it.heading for it in columns], ["-" * width for width in widths], *rows):
        columns_of_lines = [
            _in_lines(cell, width, whole=it.is_last)
            for cell, width, it in zip(row, widths, columns, strict=True)
        ]
        for line in zip_longest(*columns_of_lines, fillvalue=""):
            parts = (
                padded(part, width, right=right)
                for part, width, right in zip(line, widths, numeric, strict=True)
            )
            typer.echo(gap.join(parts).rstrip())


def _in_lines(cell: str, width: int, *, whole: bool) -> list[str]:
    """A cell in lines that fit: a few words between which it breaks, or all of it, or a name shortened."""
    if cell_len(cell) <= width:
        return [cell]
    lines = _wrapped(cell, width)
    return lines if whole or (" " in cell and len(lines) <= _MOST_LINES) else [shortened(cell, width)]


def _wrapped(cell: str, width: int) -> list[str]:
    return textwrap.wrap(cell, width, break_on_hyphens=False)


def _are_figures(values: Sequence[object]) -> bool:
    """Whether these are numbers or shares, but for some that are not known."""
    told = [value for value in values if not isinstance(value, str) or value not in _NOT_KNOWN]
    return bool(told) and all(isinstance(it, int | float) or _SHARE.fullmatch(str(it)) for it in told)


def _on_terminal() -> bool:
    return sys.stdout.isatty()


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else printable(str(value))
