"""Finds what a misspelt word was probably meant to be."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from autoscaler.policyfile.problem import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LONGEST_GUESSED = 64
_CUTOFF, _SHORT_CUTOFF, _SHORT = 0.6, 0.5, 3
"""The least likeness of a guess. One wrong letter is half of a word of two, a third of one of three."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the nearest known word, or nothing when none is near."""
    return nearest(word, {folded(name): name for name in known})


def nearest(word: str, meanings: Mapping[str, str]) -> str:
    """The same, where each known word, `folded`, stands for another that is to be written."""
    if len(word) > _LONGEST_GUESSED:
        return ""
    close = get_close_matches(
        folded(word), meanings, n=1, cutoff=_SHORT_CUTOFF if len(word) <= _SHORT else _CUTOFF
    )
    return f"; did you mean {shown(meanings[close[0]])}?" if close else ""


def folded(word: str) -> str:
    """The word without what people get wrong most often."""
    return word.lower().replace("-", "_").replace(" ", "_")
