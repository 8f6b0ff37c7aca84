"""Finds policies that can never govern a domain, because an earlier one fits every domain that they fit.

Invariant: a policy found here is shadowed. Not every shadowed one is found: patterns are compared by their
form, and only where they are equal or the earlier one has no wildcard but ``*``.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autoscaler.core.policy import Match


def shadowed(matches: Sequence[Match]) -> Iterator[tuple[int, int]]:
    """Pairs of indices: a match, and the first earlier one that fits all its domains."""
    exact: dict[str, list[int]] = {}
    wide: list[tuple[str, str, int]] = []
    for index, match in enumerate(matches):
        earlier = _candidates(match, exact, wide)
        covering = next((number for number in sorted(earlier) if _covers(matches[number], match)), None)
        if covering is not None:
            yield index, covering
        for word in (*match.name, *match.uuid):
            exact.setdefault(word, []).append(index)
        wide += [(_literal_start(pattern), pattern, index) for pattern in match.name if "*" in pattern]


def _candidates(match: Match, exact: dict[str, list[int]], wide: Sequence[tuple[str, str, int]]) -> set[int]:
    """Earlier matches that cover at least one word of this one: the few worth a full comparison."""
    word = (match.name or match.uuid or ("",))[0]
    found = set(exact.get(word, ()))
    if match.name:
        found.update(
            number for start, pattern, number in wide if word.startswith(start) and _wider(pattern, word)
        )
    else:
        found.update(number for _, pattern, number in wide if pattern == "*")
    return found


def _covers(earlier: Match, later: Match) -> bool:
    if not set(earlier.not_name) <= set(later.not_name):
        return False
    uuids = "*" in earlier.name or set(later.uuid) <= set(earlier.uuid)
    return uuids and all(any(_wider(pattern, name) for pattern in earlier.name) for name in later.name)


def _wider(pattern: str, other: str) -> bool:
    """Whether every name that `other` fits is fitted by `pattern` too, as far as it can be told by form."""
    if pattern == other:
        return True
    # A '*' swallows any part of the other pattern; the rest has to stand in it letter by letter.
    return not set(pattern) & {"?", "["} and "[" not in other and fnmatchcase(other, pattern)


def _literal_start(pattern: str) -> str:
    return pattern.partition("*")[0]
