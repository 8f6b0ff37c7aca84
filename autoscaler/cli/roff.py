"""A manual page in the macros of man(7), from plain text; nothing in the text is taken for a request.

Invariant: what is written is ASCII, and every character of the text is shown as it is: a hyphen can be copied
as an option's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}
"""What roff would take for something else, or show as another character."""
_CODE = re.compile(r"(``?)([^`]+)\1")


class Page:
    """A page that grows from its top."""

    def __init__(self, name: str, section: int, *, title: str, version: str) -> None:
        named = f'"{escaped(name.upper())}" "{section}" "" "{escaped(version)}" "{escaped(title)}"'
        self._lines = [f".TH {named}", ".nh", ".ad l"]

    def section(self, title: str) -> None:
        """Begin a section."""
        self._lines.append(f'.SH "{escaped(title.upper())}"')

    def subsection(self, title: str) -> None:
        """Begin a part of one."""
        self._lines.append(f'.SS "{escaped(title)}"')

    def paragraph(self, text: str) -> None:
        """Add a paragraph; what is in backticks is set in bold."""
        begins = self._lines[-1].startswith((".SH ", ".SS "))
        self._lines += [*([] if begins else [".PP"]), _filled(text)]

    def tagged(self, tag: str, *texts: str) -> None:
        """Add what a tag means, in a paragraph for each text."""
        self._lines += [".TP", rf"\fB{escaped(tag)}\fR", *(_filled(text) for text in texts[:1] or ("",))]
        for text in filter(None, texts[1:]):
            self._lines += [".IP", _filled(text)]

    def example(self, lines: Iterable[str]) -> None:
        """Add lines that stay as they are."""
        self._lines += [".PP", ".RS 4", ".nf", *(_line(escaped(line)) for line in lines), ".fi", ".RE"]

    def text(self) -> str:
        """The page."""
        return "\n".join(line for line in self._lines if line) + "\n"


def escaped(text: str) -> str:
    """Text as roff is told to show it."""
    return "".join(_SHOWN.get(char) or (char if char.isascii() else f"\\[u{ord(char):04X}]") for char in text)


def _filled(text: str) -> str:
    """Text of one paragraph, with what is in backticks in bold."""
    parts, at = [], 0
    flat = " ".join(text.split())
    for code in _CODE.finditer(flat):
        parts += [escaped(flat[at : code.start()]), rf"\fB{escaped(code[2])}\fR"]
        at = code.end()
    return _line("".join([*parts, escaped(flat[at:])]))


def _line(text: str) -> str:
    """A line of text, which a dot at its beginning would make a request."""
    return rf"\&{text}" if text.startswith(".") else text
