"""What is wrong with a file, and where: the one shape in which every finding of a reader leaves it.

Invariant: a message is one sentence on one line; whatever it repeats from a file went through `shown`.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.core.printable import printable

__all__ = ["Problem", "printable", "shown"]

_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding. Sorts by file, line and column."""

    file: str
    """The path as it was given, unescaped: it may hold anything that a file name can."""
    line: int
    """Counted from 1; 1 where the file as a whole is meant."""
    column: int
    """In characters, counted from 1."""
    message: str

    @property
    def place(self) -> str:
        """``file:line:column``, fit for a terminal."""
        return f"{printable(self.file)}:{self.line}:{self.column}"

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def shown(text: str) -> str:
    """The text in quotes, escaped, cut to a length that leaves the sentence readable."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."
    return f"'{printable(cut)}'"
