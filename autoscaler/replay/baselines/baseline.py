"""What a rule sees and what it answers.

Invariant: a rule keeps no clock and draws no chance, so that a domain fares the same in whatever company; a
sample that did not come changes nothing of what it wants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.replay.trace import Trace

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Vcpus = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was reported at the end of a step; arrays have the shape (domains,)."""

    now_s: float
    """Since the traces' start."""
    known: Flags
    """Whether the guest answered at the end of this step."""
    online: Vcpus
    """VCPUs that the guest ran at its last answer."""
    busy_vcpus: Floats
    """What they did between its last two answers, never more than ran: the mean."""
    load1: Floats
    """The guest's load average over a minute, as of its last answer."""
    load5: Floats
    """The same over five minutes."""
    at_s: Floats
    """When the guest answered last."""
    busy_s: Floats
    """VCPU-seconds that were busy until then, since the start."""
    ran_s: Floats
    """VCPU-seconds that were online until then."""


class Baseline(Protocol):
    """A rule at work, with what it remembers of its domains."""

    @property
    def start(self) -> Vcpus:
        """VCPUs that its domains have when the replay begins."""
        ...

    def want(self, seen: Seen) -> Vcpus:
        """VCPUs for each domain, asked for at the rule's interval; bounds are for others to keep."""
        ...


class Rule(Protocol):
    """How a baseline is set up; the same rule can be begun as often as needed."""

    @property
    def name(self) -> str:
        """Its name in tables."""
        ...

    @property
    def every_s(self) -> float:
        """How often it looks; infinite: never."""
        ...

    def begin(self, traces: Sequence[Trace], usual: Vcpus) -> Baseline:
        """Start anew for these domains, which commonly begin with `usual` vCPUs."""
        ...


class Poll:
    """What was used from one look at the counters to the next, however many steps lie in between."""

    __slots__ = ("_at_s", "_busy_s", "_ran_s")

    def __init__(self, domains: int) -> None:
        self._at_s, self._busy_s, self._ran_s = (np.zeros(domains) for _ in range(3))

    def look(self, seen: Seen) -> tuple[Floats, Floats]:
        """VCPUs busy since the last look, and their share of those that ran; NaN: no answer came since."""
        at_s, busy_s, ran_s = (
            now - last
            for now, last in ((seen.at_s, self._at_s), (seen.busy_s, self._busy_s), (seen.ran_s, self._ran_s))
        )
        # The arrays are the reader's, and go on counting.
        self._at_s, self._busy_s, self._ran_s = seen.at_s.copy(), seen.busy_s.copy(), seen.ran_s.copy()
        with np.errstate(invalid="ignore"):
            return busy_s / at_s, busy_s / ran_s
