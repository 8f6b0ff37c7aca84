"""The report as one page that needs nothing else: no script, no other file, no network.

Invariant: every text from outside goes through `_plain`; no markup is made of anything but the words in this
module.
"""

from __future__ import annotations

from base64 import b64encode
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, assert_never

from autoscaler.core.printable import printable
from autoscaler.replay.report.blocks import Grid, Listed, Sentence, Shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from autoscaler.replay.report.blocks import Section

# Should a text get past `_plain` after all, a browser runs nothing and fetches nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(title: str, sections: Iterable[Section], pictures: Mapping[str, bytes]) -> str:
    """The whole document; `pictures` are PNGs by the name of their file."""
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{_plain(title)}</title>",
        f"<style>\n{style}</style>",
        "</head>",
        "<body>",
        f"<h1>{_plain(title)}</h1>",
    ]
    for section in sections:
        lines += ["<section>", f"<h2>{_plain(section.heading)}</h2>"]
        for block in section.blocks:
            lines += _rendered(block, pictures)
        lines.append("</section>")
    return "\n".join([*lines, "</body>", "</html>", ""])


def _rendered(block: Sentence | Listed | Grid | Shown, pictures: Mapping[str, bytes]) -> Iterator[str]:
    match block:
        case Sentence():
            yield f"{_tag('p', 'alarming', wanted=block.alarming)}{_plain(block.text)}</p>"
        case Listed():
            yield "<ul>"
            yield from (f"<li>{_plain(text)}</li>" for text in block.texts)
            yield "</ul>"
        case Grid():
            yield from _table(block)
        case Shown():
            data = b64encode(pictures[block.file]).decode()
            yield f'<figure><img src="data:image/png;base64,{data}" alt="{_plain(block.caption)}">'
            yield f"<figcaption>{_plain(block.caption)}</figcaption></figure>"
        case _:
            assert_never(block)


def _table(grid: Grid) -> Iterator[str]:
    # A wide table scrolls within its own box, so that a phone does not scroll the page.
    yield '<div class="wide"><table>'
    headings = "".join(_cell("th", column, text, grid) for column, text in enumerate(grid.headings))
    yield f"<thead><tr>{headings}</tr></thead>"
    yield "<tbody>"
    for number, row in enumerate(grid.rows):
        cells = "".join(_cell("td", column, text, grid) for column, text in enumerate(row))
        yield f"{_tag('tr', 'marked', wanted=number in grid.marked)}{cells}</tr>"
    yield "</tbody></table></div>"


def _cell(tag: str, column: int, text: str, grid: Grid) -> str:
    return f"{_tag(tag, 'words', wanted=column in grid.words)}{_plain(text)}</{tag}>"


def _tag(name: str, kind: str, *, wanted: bool) -> str:
    return f'<{name} class="{kind}">' if wanted else f"<{name}>"


def _plain(text: str) -> str:
    return escape(printable(text), quote=True)
