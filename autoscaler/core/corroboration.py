"""Whether the host saw the load that a guest claims.

A guest says what it likes; its vCPU threads do not. What they ran, and what they waited for a CPU, is the
most that a guest can have used. One interval proves nothing: guest and host are not read at one moment, and a
QEMU that was stopped for a while leaves its guest believing that it was busy. So claims that nobody saw are
summed up over intervals, each counted for one at most, and what the host saw too much of is taken off again.
Where the two are read at different moments, what one interval has too much the next has too little.

A guest is doubted after several intervals. Its growth waits from the first on: a guest that lies would be at
its maximum before it is found out, and an honest one is seen by the next sample.

Invariant: without figures of the host nothing is held against a guest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from autoscaler.core.demand import Load

TOLERANCE_RATIO: Final = 0.25
"""By how much of what the host saw a claim may be larger."""
MARGIN_RATIO: Final = 0.10
"""And by how much of the online vCPUs' time besides."""
HESITATE_RATIO: Final = 0.30
"""Growth waits where that share of the online vCPUs' time is claimed and not seen in the last interval."""
DOUBT_AT: Final = 4.0
"""Intervals of nothing but claims after which a guest is doubted."""
BELIEVE_AT: Final = 2.0
_MOST: Final = 5.0
"""No lie is held against a guest for longer than this takes to wear off."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a guest claimed, and what the host saw, when it was first doubted."""

    claimed_vcpus: float
    seen_vcpus: float


class Corroboration:
    """Weighs one guest's claims."""

    def __init__(self) -> None:
        self._unseen = 0.0
        """Intervals' worth of claims that the host did not see."""
        self._hesitates = False
        self.doubt: Doubt | None = None
        """Why the guest is not believed; None: it is."""

    @property
    def borne_out(self) -> bool:
        """Whether the host saw enough of what the guest claims to grow by it."""
        return self.doubt is None and not self._hesitates

    def take(self, load: Load | None) -> None:
        """Take in what a guest claims and what its host saw meanwhile; None: there is nothing to compare."""
        if load is None:
            return
        if load.host_vcpus is None:
            self._unseen, self._hesitates, self.doubt = 0.0, False, None
            return
        # Rates, where one interval is all there is to compare: the two are seldom of one length.
        unseen_vcpus = load.busy_vcpus - (1 + TOLERANCE_RATIO) * load.host_vcpus
        self._hesitates = unseen_vcpus > HESITATE_RATIO * load.online
        claimed_s = load.busy_vcpus * load.span_s
        believable_s = (1 + TOLERANCE_RATIO) * load.host_vcpus * load.host_span_s
        span_s = max(load.span_s, load.host_span_s)
        excess_ratio = (claimed_s - believable_s) / (load.online * span_s)
        self._unseen = min(max(0.0, self._unseen + excess_ratio - MARGIN_RATIO), _MOST)
        if self._unseen < BELIEVE_AT:
            self.doubt = None
        elif self._unseen >= DOUBT_AT and self.doubt is None:
            self.doubt = Doubt(load.busy_vcpus, load.host_vcpus)
