"""Finds policies that can never govern a domain, because an earlier one fits every domain that they fit.

Invariant: a policy found here is shadowed. Not every shadowed one is found: patterns are compared by their
form, and only where they are equal or the earlier one has no wildcard but ``*``, and comparing has an end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.policyfile.glob import wider
from autoscaler.policyfile.neighbours import Effort, Neighbours, names_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autoscaler.core.policy import Match


def shadowed(matches: Sequence[Match]) -> Iterator[tuple[int, int]]:
    """Pairs of indices: a match, and the first earlier one that fits all its domains."""
    neighbours, effort = Neighbours(matches), Effort()
    for index, match in enumerate(matches):
        for earlier in neighbours.before(index):
            if not effort.allows(1 + len(matches[earlier].name) * len(match.name)):
                return
            if _covers(matches[earlier], match):
                yield index, earlier
                break


def _covers(earlier: Match, later: Match) -> bool:
    if not set(earlier.not_name) <= set(later.not_name):
        return False
    if not set(earlier.not_metadata) <= set(later.not_metadata):
        return False
    labels = dict(later.metadata)
    if not all(key in labels and wider(pattern, labels[key]) for key, pattern in earlier.metadata):
        return False
    names = names_of(earlier)
    uuids = "*" in names or set(later.uuid) <= set(earlier.uuid)
    return uuids and all(any(wider(pattern, name) for pattern in names) for name in names_of(later))
