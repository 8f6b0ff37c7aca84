"""Which domains are for tuning and which for reporting, so that no figure is quoted of what was tuned on.

Invariant: a domain's half follows from its name alone: further domains move none to the other half.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256


class Half(StrEnum):
    """Some of the domains."""

    ALL = "all"
    REPORT = "report"
    """Nothing is to be tuned on these."""
    TUNE = "tune"

    def has(self, domain: str) -> bool:
        """Whether the domain is one of them."""
        if self is Half.ALL:
            return True
        return self is (
            Half.REPORT if sha256(domain.encode("utf-8", "surrogatepass")).digest()[0] % 2 else Half.TUNE
        )
