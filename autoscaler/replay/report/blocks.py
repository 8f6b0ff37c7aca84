"""What a report consists of, before it has a form: the page and the Markdown are both rendered from these.

Invariant: every text here is plain, as it came; it is for the renderer to make it harmless in its form.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sentence:
    """A paragraph of its own."""

    text: str
    alarming: bool = False
    """It tells of a broken promise."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Sentences in a list."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[int]
    """Columns that hold words; the others hold figures."""
    marked: frozenset[int] = frozenset()
    """Rows that do not keep what is promised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture."""

    file: str
    """Its name in the report's folder."""
    caption: str
    """Says what it shows to those who do not see it."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    heading: str
    blocks: tuple[Sentence | Listed | Grid | Shown, ...]
