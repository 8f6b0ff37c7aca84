"""What was decided for one domain in one tick, with all that led there: the record that tells why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.core.demand import Load
    from autoscaler.core.model import DomainId, Missing
    from autoscaler.core.policy import Mode
    from autoscaler.core.reason import Reason
    from autoscaler.core.stabilize import Clamp


class Verdict(StrEnum):
    """Which way the next move goes."""

    GROW = "grow"
    SHRINK = "shrink"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One tick's decision for one domain."""

    domain: DomainId
    name: str
    at_s: float
    policy: str
    mode: Mode
    plugged: int
    online: int
    proposed: int
    """What the strategy asked for, before any limit."""
    target: int
    """What the domain should have, within its bounds."""
    next_vcpus: int
    """Where this tick may go on the way to the target."""
    reason: Reason
    act: bool
    """Whether a move is to be made: False in mode recommend, while another change is under way, ..."""
    clamps: tuple[Clamp, ...] = ()
    load: Load | None = None
    """The load it was decided on; None: there was none."""
    missing: Missing | None = None
    """Why there was no sample."""

    @property
    def verdict(self) -> Verdict:
        """Which way the next move goes."""
        if self.next_vcpus == self.online:
            return Verdict.HOLD
        return Verdict.GROW if self.next_vcpus > self.online else Verdict.SHRINK
