"""What is too wide for a terminal, made to fit: a name loses its middle, for its ends tell it from others.

For terminals only: what a program reads is never shortened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Sequence

_CUT = "…"
LEAST = 8
"""Columns that a name keeps, however little room there is."""


def shortened(text: str, width: int) -> str:
    """The text in at most so many columns of a terminal, some of which letters take two of."""
    if cell_len(text) <= width:
        return text
    behind = max(width - 1, 0) // 2
    return _first(text, width - 1 - behind) + _CUT + _first(text[::-1], behind)[::-1]


def _first(text: str, width: int) -> str:
    """As many of its first letters as fit."""
    end, taken = 0, 0
    for letter in text:
        taken += cell_len(letter)
        if taken > width:
            break
        end += 1
    return text[:end]


def fitted(
    widths: Sequence[int], fixed: Sequence[bool], room: int, *, least: int | Sequence[int] = LEAST
) -> list[int]:
    """The widths of columns that are to fit into `room` columns of a terminal: the widest give way first.

    Those that are `fixed` keep theirs, and none gets narrower than `least`, even if it does not fit so; these
    may be one for all, or one each.
    """
    found = list(widths)
    leasts = [least] * len(found) if isinstance(least, int) else least
    yielding = [index for index, stays in enumerate(fixed) if not stays and found[index] > leasts[index]]
    while sum(found) > room and yielding:
        widest = max(yielding, key=found.__getitem__)
        found[widest] -= 1
        if found[widest] == leasts[widest]:
            yielding.remove(widest)
    return found


def padded(text: str, width: int, *, right: bool) -> str:
    """The text, filled up with spaces behind it, or before it."""
    spaces = " " * (width - cell_len(text))
    return spaces + text if right else text + spaces
