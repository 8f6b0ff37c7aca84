"""Finds what a misspelt word was probably meant to be."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from autoscaler.policyfile.problem import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_GUESSED = 64


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the nearest known word, or nothing when none is near."""
    if len(word) > _LONGEST_GUESSED:
        return ""
    names = {name.replace("-", "_"): name for name in known}
    close = get_close_matches(word.lower().replace("-", "_"), names, n=1)
    return f"; did you mean {shown(names[close[0]])}?" if close else ""
