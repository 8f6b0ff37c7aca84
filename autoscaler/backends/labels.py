"""Labels, by which policies match and a domain's owner opts out: what they may be, whoever wrote them.

Invariant: those that leave here are few, short and printable.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_LABELS = 32
LONGEST_LABEL = 128
"""Characters of a key, and of a value."""

NO_LABELS: Mapping[str, str] = MappingProxyType({})


def checked(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Return the same labels, which nobody can change any more.

    Raises:
        ValueError: they are too many, or one is too long or not printable; the text says what they must be.
    """
    if len(labels) > MOST_LABELS:
        raise ValueError(f"a domain has at most {MOST_LABELS} labels, not {len(labels)}")
    for text in (*labels, *labels.values()):
        if len(text) > LONGEST_LABEL or not text.isprintable():
            raise ValueError(
                f"each key and value of a label is printable text of at most {LONGEST_LABEL} characters"
            )
    return MappingProxyType(dict(labels))
