"""Finds policies that fit a domain which an earlier one governs, and shows such a domain.

Invariant: every overlap comes with a name (or UUID) and labels that both policies fit. A policy that says
no more than "every domain" is not looked at. Not every other overlap is found: some exclusions by `not_name`
are too tangled, the name of a domain given by UUID is not known, and comparing has an end.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from typing import TYPE_CHECKING

from autoscaler.core.policy import Match, opted_out
from autoscaler.policyfile.glob import common, may_meet
from autoscaler.policyfile.neighbours import Effort, Neighbours, names_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SOME_NAMES = ("1", "a", "x-1")
"""For a domain of which the UUID is known and the name may be any."""
MOST_NAMED = 4
"""Overlaps that are looked for with one policy: one for nearly everything overlaps with all others."""
_ALL_THE_REST = Match(name=("*",))
"""Behind others it can only mean what they leave, and leaving their patterns out of it would repeat them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A domain that two policies fit."""

    name: str
    """Empty where the UUID says it."""
    uuid: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """An earlier match, by its index, and a domain that it takes from a later one."""

    earlier: int
    shared: Shared


def overlaps(matches: Sequence[Match]) -> Iterator[tuple[int, list[Overlap]]]:
    """Each index of a match that overlaps with earlier ones, and the first `MOST_NAMED` of those."""
    neighbours, effort = Neighbours(matches), Effort()
    for index, match in enumerate(matches):
        if match == _ALL_THE_REST:
            continue
        found: list[Overlap] = []
        for earlier in neighbours.before(index):
            if shared := _shared(matches[earlier], match, effort):
                found.append(Overlap(earlier=earlier, shared=shared))
            if len(found) == MOST_NAMED or effort.spent:
                break
        if found:
            yield index, found
        if effort.spent:
            return


def _shared(earlier: Match, later: Match, effort: Effort) -> Shared | None:
    labels = _labels(earlier, later)
    if labels is None or not effort.allows(1):
        return None

    def both_fit(name: str, uuid: str) -> bool:
        return earlier.fits(name, uuid, labels) and later.fits(name, uuid, labels)

    for pattern, other in product(names_of(earlier), names_of(later)):
        meeting = may_meet(pattern, other)
        if not effort.allows(len(pattern) * len(other) if meeting else 1):
            return None
        for name in common(pattern, other) if meeting else ():
            if both_fit(name, ""):
                return Shared(name=name, uuid="", labels=labels)
    for uuid in (*earlier.uuid, *later.uuid):
        if any(both_fit(name, uuid) for name in _SOME_NAMES):
            return Shared(name="", uuid=uuid, labels=labels)
    return None


def _labels(earlier: Match, later: Match) -> dict[str, str] | None:
    """Labels that both matches ask for; None: there are none, or they keep a domain out of every policy."""
    asked: dict[str, list[str]] = {}
    for key, pattern in (*earlier.metadata, *later.metadata):
        asked.setdefault(key, []).append(pattern)
    labels: dict[str, str] = {}
    for key, patterns in asked.items():
        texts = (text for text in common(patterns[0], patterns[-1]) if not opted_out({key: text}))
        text = next((text for text in texts if not _left_out(key, text, earlier, later)), None)
        if text is None:
            return None
        labels[key] = text
    return labels


def _left_out(key: str, text: str, *matches: Match) -> bool:
    """Whether a label keeps a domain out of one of the matches."""
    excluded = (pattern for match in matches for name, pattern in match.not_metadata if name == key)
    return any(fnmatchcase(text, pattern) for pattern in excluded)
