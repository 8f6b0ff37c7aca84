"""The report as Markdown, for a merge request or a wiki.

Invariant: no name from outside makes a heading, a link, a tag, a cell or a line of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, assert_never

from autoscaler.core.printable import printable
from autoscaler.replay.report.blocks import Grid, Listed, Sentence, Shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from autoscaler.replay.report.blocks import Section

_MEANS_SOMETHING = re.compile(r"([\\`*_{}\[\]<>#|~&!])")


def markdown(title: str, sections: Iterable[Section]) -> str:
    """The whole document."""
    lines = [f"# {_plain(title)}"]
    for section in sections:
        lines += ["", f"## {_plain(section.heading)}"]
        for block in section.blocks:
            lines += ["", *_rendered(block)]
    return "\n".join(lines) + "\n"


def _rendered(block: Sentence | Listed | Grid | Shown) -> Iterator[str]:
    match block:
        case Sentence():
            yield f"**{_plain(block.text)}**" if block.alarming else _plain(block.text)
        case Listed():
            yield from (f"- {_plain(text)}" for text in block.texts)
        case Grid():
            yield from table(block)
        case Shown():
            yield f"![{_plain(block.caption)}]({block.file})"
        case _:
            assert_never(block)


def table(grid: Grid) -> Iterator[str]:
    """A table, line by line; marked rows are bold in their first cell."""
    yield _row([_plain(heading) for heading in grid.headings])
    yield _row(["---" if column in grid.words else "---:" for column in range(len(grid.headings))])
    for number, row in enumerate(grid.rows):
        cells = [_plain(cell) for cell in row]
        if number in grid.marked:
            cells[0] = f"**{cells[0]}**"
        yield _row(cells)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    return _MEANS_SOMETHING.sub(r"\\\1", printable(text))
