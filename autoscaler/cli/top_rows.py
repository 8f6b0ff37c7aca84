"""The rows of `top`: a line for each domain, and beneath one in trouble what that is.

Invariant: no more lines than there is room for, and a domain is shown with all of its lines.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

from rich.measure import Measurement
from rich.segment import Segment, Segments
from rich.text import Text

from autoscaler.cli.fitting import LEAST, shortened
from autoscaler.core.condition import AS_ORDERED
from autoscaler.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

Json = dict[str, Any]
_INDENT = "    "
_LINES = 2
"""Beneath a domain in trouble, at most."""
_MOST_LINES = 3
"""The same where there is room left over."""
_ITSELF = re.compile(r"""(?:\A|(?<=; ))domain ('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*") """)
"""What a part of a sentence about a domain may begin with, the name as Python writes it."""


class Name:
    """A name in a cell that may be too narrow for it: then it loses its middle."""

    def __init__(self, name: str, style: str = "") -> None:
        self._name = printable(name)
        self._style = style

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """As much of it as fits."""
        yield Text(shortened(self._name, options.max_width), style=self._style, no_wrap=True)

    def __rich_measure__(self, _: Console, options: ConsoleOptions) -> Measurement:
        """It can do with little, and takes as much as it is long."""
        longest = Text(self._name).cell_len
        return Measurement(min(LEAST, longest), longest).with_maximum(options.max_width)


class Rows:
    """A table of one line a domain, with what troubles a domain beneath its line."""

    def __init__(self, table: Table, troubles: Sequence[Sequence[str]], styles: Sequence[str]) -> None:
        """Put them together; `troubles` are the lines beneath each row, in the style of that row."""
        self._table = table
        self._troubles = troubles
        self._styles = styles

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The heading, and each row with what belongs to it."""
        lines = console.render_lines(self._table, options, pad=False)
        beneath = zip(lines, ((), *self._troubles), ("", *self._styles), strict=True)
        for line, troubles, style in beneath:
            yield Segments([*line, Segment.line()])
            for trouble in troubles:
                yield Text(_INDENT + trouble, style=style, no_wrap=True, overflow="ellipsis")


def troubles_of(domain: Json, width: int, lines: int = _LINES) -> list[str]:
    """What is wrong with a domain that nobody ordered, in so many lines that fit; none: nothing is.

    Sentences do not begin with its name, for it stands above.
    """
    wrong = [
        _ITSELF.sub("", sentence)
        for condition, sentence in domain["conditions"].items()
        if condition not in AS_ORDERED
    ]
    name, told = domain["name"], "; ".join(wrong)
    for as_told in (name, repr(name)[1:-1]):
        told = told.replace(as_told, shortened(printable(name), max(width // 4, LEAST)))
    room = max(width - len(_INDENT), LEAST)
    return textwrap.wrap(printable(told), room, max_lines=lines, placeholder=" …", break_on_hyphens=False)


def seen(rows: Sequence[Json], first: int, space: int, width: int) -> tuple[int, list[list[str]]]:
    """Which row is the first that is shown, and the troubles of it and of those that fit after it.

    It is `first`, or an earlier one where the last would leave room. Lines that are left over go to the first
    in trouble.
    """
    first = min(first, _first_of_last(rows, space, width))
    found: list[list[str]] = []
    for domain in rows[first:]:
        troubles = troubles_of(domain, width)
        if space < 1 + len(troubles) and found:
            break
        space -= 1 + len(troubles)
        found.append(troubles)
    for index, troubles in enumerate(found):
        whole = troubles_of(rows[first + index], width, _MOST_LINES) if len(troubles) == _LINES else troubles
        if len(troubles) < len(whole) <= len(troubles) + space:
            found[index] = whole
            space -= len(whole) - len(troubles)
    return first, found


def _first_of_last(rows: Sequence[Json], space: int, width: int) -> int:
    """The first row of those that end with the last one."""
    for index in range(len(rows) - 1, -1, -1):
        space -= 1 + len(troubles_of(rows[index], width))
        if space < 0:
            return min(index + 1, len(rows) - 1)
    return 0
