"""Since when a domain's vCPUs are as somebody else set them, and how that outlives the service.

Invariant: what was kept counts only for a domain that still has as many vCPUs plugged: one that was stopped
and started meanwhile is as it is defined, not as somebody set it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = "by_hand"


@dataclass(slots=True)
class ByHand:
    """The last change that somebody else made and that is still to be respected."""

    since_s: float | None = None
    """When it was seen; None: there is none."""

    def dump(self, plugged: int, now_s: float) -> dict[str, object]:
        """As plain JSON values, with the count of plugged vCPUs that it holds for; the time as an age."""
        if self.since_s is None:
            return {}
        return {_KEY: {"ago_s": round(now_s - self.since_s, 1), "plugged": plugged}}

    @classmethod
    def restore(cls, dumped: Mapping[str, object], plugged: int, now_s: float, *, away_s: float) -> ByHand:
        """What was dumped `away_s` ago, if it can be read and the domain has as many vCPUs plugged now."""
        kept = dumped.get(_KEY)
        ago_s, before = (kept.get("ago_s"), kept.get("plugged")) if isinstance(kept, dict) else (None, None)
        if before != plugged or not isinstance(ago_s, int | float):
            return cls()
        return cls(now_s - max(0.0, away_s) - cast("float", ago_s))
