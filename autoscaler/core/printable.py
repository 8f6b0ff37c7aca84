"""Text from outside, made fit to be shown: a name must steer no terminal, log or picture."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with what a terminal or a log would obey, or could not show, as backslash escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
