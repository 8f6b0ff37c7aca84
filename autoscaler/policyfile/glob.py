"""Compares shell patterns with each other: what both fit, and whether one fits all that another does.

Patterns mean what `fnmatch.fnmatchcase` takes them for.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST_STATES = 4096
"""Pairs of positions worth walking through; the patterns that people write need a hundred or two."""
_CACHED = 8192
_LIKELY = "1ax"
"""Characters to try where a pattern leaves the choice: the result is shown to people."""
_FILLINGS = ("1", "", "a", "x-1")
"""What to try where both patterns take any text."""


@dataclass(frozen=True, slots=True)
class _Set:
    """A ``[...]``: the expression that it stands for, and the characters at the edges of what it takes."""

    expression: re.Pattern[str]
    edges: str


_ONE, _TEXT = "?", "*"
"""Any character; any text. Neither can be written as a character that stands for itself, but in a set."""
_Step = str | _Set
_Place = tuple[int, int]
"""How many steps of either pattern are done."""


def common(first: str, second: str) -> Iterator[str]:
    """Some texts that both patterns fit; none where there is no such text, or the patterns are very long."""
    if not may_meet(first, second):
        return
    ours, theirs = _steps(first), _steps(second)
    if (len(ours) + 1) * (len(theirs) + 1) > _MOST_STATES:
        return
    parts = _meeting(ours, theirs)
    if parts is None:
        return
    filled = ("".join(filling if part is None else part for part in parts) for filling in _FILLINGS)
    yield from (text for text in dict.fromkeys(filled) if text)


def may_meet(first: str, second: str) -> bool:
    """Whether the letters that the patterns start and end with allow a text that both fit. Cheap."""
    start, end = _ends(first)
    other_start, other_end = _ends(second)
    return (start.startswith(other_start) or other_start.startswith(start)) and (
        end.endswith(other_end) or other_end.endswith(end)
    )


def wider(pattern: str, other: str) -> bool:
    """Whether every text that `other` fits is fitted by `pattern` too, as far as it can be told by form."""
    if pattern == other:
        return True
    if "*" not in pattern:
        return False
    # A '*' swallows any part of the other pattern; the rest has to stand in it letter by letter.
    return (
        not set(pattern) & {"?", "["} and "[" not in other and _expression(pattern).match(other) is not None
    )


def literal_start(pattern: str) -> str:
    """The letters that every text begins with which the pattern fits."""
    return _ends(pattern)[0]


def is_literal(pattern: str) -> bool:
    """Whether the pattern has nothing that could stand for other letters."""
    return literal_start(pattern) == pattern


@lru_cache(maxsize=_CACHED)
def _ends(pattern: str) -> tuple[str, str]:
    start = re.split(r"[*?[]", pattern, maxsplit=1)[0]
    if start == pattern:
        return pattern, pattern
    # A ']' need not close a set, but then it only makes the end shorter than it could be.
    return start, re.split(r"[]*?[]", pattern)[-1]


@lru_cache(maxsize=_CACHED)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


@lru_cache(maxsize=_CACHED)
def _steps(pattern: str) -> tuple[_Step, ...]:
    steps: list[_Step] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        end = _end_of_set(pattern, at) if char == "[" else None
        if end is not None:
            written = pattern[at:end]
            steps.append(_Set(_expression(written), written[1:-1]))
            at = end
            continue
        if (char, steps[-1:]) != (_TEXT, [_TEXT]):
            steps.append(char)
        at += 1
    return tuple(steps)


def _end_of_set(pattern: str, start: int) -> int | None:
    """Where the set that begins at `start` is over; None: its bracket is never closed, so it is a letter."""
    first = start + 2 if pattern[start + 1 : start + 2] == "!" else start + 1
    # A ']' in the first place is a member of the set.
    end = pattern.find("]", first + 1)
    return None if end < 0 else end + 1


def _meeting(ours: tuple[_Step, ...], theirs: tuple[_Step, ...]) -> list[str | None] | None:
    """The shortest text that both fit, in parts; None stands where any text may be put in."""
    start, end = (0, 0), (len(ours), len(theirs))
    before: dict[_Place, tuple[_Place, str | None]] = {start: (start, "")}
    queue = deque([start])
    while queue:
        place = queue.popleft()
        if place == end:
            return _path(before, place)
        for following, part in _moves(ours, theirs, place):
            if following not in before:
                before[following] = (place, part)
                queue.append(following)
    return None


def _path(before: Mapping[_Place, tuple[_Place, str | None]], place: _Place) -> list[str | None]:
    parts = []
    while before[place][0] != place:
        place, part = before[place]
        parts.append(part)
    return parts[::-1]


def _moves(
    ours: tuple[_Step, ...], theirs: tuple[_Step, ...], place: _Place
) -> Iterator[tuple[_Place, str | None]]:
    """Where the two may go from here, and the part of the text that takes them there."""
    one, other = place
    mine = ours[one] if one < len(ours) else None
    yours = theirs[other] if other < len(theirs) else None
    if mine == _TEXT and yours == _TEXT:
        yield (one + 1, other + 1), None
        yield (one + 1, other), ""
        yield (one, other + 1), ""
    elif mine == _TEXT:
        yield (one + 1, other), ""
        if yours is not None and (char := _character(yours, _ONE)):
            yield (one, other + 1), char
    elif yours == _TEXT:
        yield (one, other + 1), ""
        if mine is not None and (char := _character(mine, _ONE)):
            yield (one + 1, other), char
    elif mine is not None and yours is not None and (char := _character(mine, yours)):
        yield (one + 1, other + 1), char


def _character(first: _Step, second: _Step) -> str | None:
    """A character that both steps take."""
    return next(
        (char for char in _choices(first, second) if _takes(first, char) and _takes(second, char)), None
    )


def _choices(*steps: _Step) -> Iterator[str]:
    """What a character that all steps take can be, if there is one: they end where their edges are."""
    yield from (step for step in steps if isinstance(step, str) and step != _ONE)
    yield from _LIKELY
    for edge in (edge for step in steps if isinstance(step, _Set) for edge in step.edges):
        around = (ord(edge), ord(edge) + 1, ord(edge) - 1)
        yield from (chr(code) for code in around if 0 <= code <= sys.maxunicode)


def _takes(step: _Step, char: str) -> bool:
    if isinstance(step, _Set):
        return step.expression.match(char) is not None
    return step in (char, _ONE)
