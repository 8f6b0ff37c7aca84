"""Picks, for each policy, the few earlier ones that it has to be compared with.

Comparing every policy with every other would make a thousand of them half a million comparisons. Two that
share a domain have names that begin alike and no label on which they differ, and that can be looked up.

Invariant: an earlier match that fits a domain which a later one fits too is among the later one's neighbours,
unless one of the two gives the domain by UUID and the other by a pattern that is not ``*``, or hundreds of
others begin with the same letters.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from autoscaler.policyfile.glob import is_literal, literal_start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autoscaler.core.policy import Match

_MOST_EFFORT = 400_000
"""Steps of about 2 microseconds. 1,000 policies of any sensible kind need a tenth."""

_MOST_ALIKE = 1000
"""Earlier matches looked at whose names begin with the same letters: some thousand would be a mistake."""


class Effort:
    """How much more may be compared: a bound, so that no file can hold up who reads it."""

    def __init__(self) -> None:
        self._left = _MOST_EFFORT

    def allows(self, steps: int) -> bool:
        """Count these steps; whether there was room for them."""
        self._left -= steps
        return not self.spent

    @property
    def spent(self) -> bool:
        """Whether there is no room for another one."""
        return self._left < 0


class Neighbours:
    """The matches of all policies, by what their names begin with and by their labels."""

    def __init__(self, matches: Sequence[Match]) -> None:
        self._matches = matches
        self._by_start: dict[str, list[int]] = {}
        self._by_label: dict[str, dict[str, set[int]]] = {}
        for index, match in enumerate(matches):
            for start in {literal_start(word) for word in (*names_of(match), *match.uuid)}:
                self._by_start.setdefault(start, []).append(index)
            for key, value in _plain_labels(match):
                self._by_label.setdefault(key, {}).setdefault(value, set()).add(index)
        self._starts = sorted(self._by_start)

    def before(self, index: int) -> list[int]:
        """The earlier matches that are worth a comparison with this one, in their order."""
        match = self._matches[index]
        found: set[int] = set()
        for word in (*names_of(match), *match.uuid):
            for start in self._meeting(word):
                found.update(self._by_start[start][:_MOST_ALIKE])
        for key, value in _plain_labels(match):
            for other, indices in self._by_label[key].items():
                if other != value:
                    found -= indices
        return sorted(earlier for earlier in found if earlier < index)

    def _meeting(self, word: str) -> Iterator[str]:
        """The starts of other words that may meet this one: shorter ones, and those that go on from it."""
        start = literal_start(word)
        for length in range(len(start)):
            if start[:length] in self._by_start:
                yield start[:length]
        for at in range(bisect_left(self._starts, start), len(self._starts)):
            if not self._starts[at].startswith(start) or (is_literal(word) and self._starts[at] != start):
                return
            yield self._starts[at]


def names_of(match: Match) -> tuple[str, ...]:
    """The patterns of names that the match lets in: any name, where labels alone decide."""
    return match.name or (("*",) if match.metadata and not match.uuid else ())


def _plain_labels(match: Match) -> Iterator[tuple[str, str]]:
    return ((key, pattern) for key, pattern in match.metadata if is_literal(pattern))
