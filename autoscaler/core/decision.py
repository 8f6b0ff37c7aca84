"""What was decided for one domain in one tick, with all that led there: the record that tells why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from autoscaler.core.demand import Load
from autoscaler.core.model import DomainId, Missing
from autoscaler.core.policy import Mode
from autoscaler.core.reason import Reason
from autoscaler.core.recommend import Trace
from autoscaler.core.stabilize import Clamp

if TYPE_CHECKING:
    from autoscaler.core.arbiter import Grant


class Verdict(StrEnum):
    """Which way the next move goes."""

    GROW = "grow"
    SHRINK = "shrink"
    HOLD = "hold"
    UNPLUG = "unplug"
    """The guest goes on as it is, and gives back a vCPU that it does not run."""


@dataclass(slots=True, init=False, unsafe_hash=True)
class Decision:
    """One tick's decision for one domain."""

    domain: Final[DomainId]
    name: Final[str]
    at_s: Final[float]
    policy: Final[str]
    mode: Final[Mode]
    plugged: Final[int]
    online: Final[int]
    """VCPUs the guest runs, as last seen; where `seen` is False, the plugged ones, to reckon with."""
    lower: Final[int]
    """The fewest vCPUs that policy, schedules and domain allow."""
    upper: Final[int]
    """The most that they allow."""
    maximum: Final[int]
    """The most that the domain can have, whatever the policy allows."""
    schedules: Final[tuple[str, ...]]
    """Names of the schedules in force."""
    proposed: Final[int]
    """What the strategy asked for, before any limit."""
    held: Final[int]
    """The most that the strategy's memory would keep; 0: it had no say."""
    target: Final[int]
    """What the domain should have, within its bounds."""
    next_vcpus: Final[int]
    """Where this tick may go on the way to the target."""
    reason: Final[Reason]
    act: Final[bool]
    """Whether something is to be done: False in mode recommend, while another change is under way, ..."""
    unplug_to: Final[int | None]
    """The vCPUs to stay plugged, where one that is offline is to go and nothing else moves; None: none is."""
    clamps: Final[tuple[Clamp, ...]]
    trace: Final[Trace | None]
    """What the strategy reckoned with; None: it was not asked."""
    order: Final[str]
    """The administrator's order that it was made under, in words; empty: there was none."""
    granted: Final[str]
    """What the host's arbiter changed, in words; empty: nothing."""
    load: Final[Load | None]
    """The load it was decided on; None: there was none."""
    missing: Final[Missing | None]
    """Why there was no sample."""
    seen: Final[bool]
    """Whether the guest has been seen at all since the service took it up."""

    def __init__(  # noqa: PLR0913 - its fields
        self,
        *,
        domain: DomainId,
        name: str,
        at_s: float,
        policy: str,
        mode: Mode,
        plugged: int,
        online: int,
        lower: int,
        upper: int,
        maximum: int,
        schedules: tuple[str, ...] = (),
        proposed: int,
        held: int,
        target: int,
        next_vcpus: int,
        reason: Reason,
        act: bool,
        unplug_to: int | None = None,
        clamps: tuple[Clamp, ...] = (),
        trace: Trace | None = None,
        order: str = "",
        granted: str = "",
        load: Load | None = None,
        missing: Missing | None = None,
        seen: bool = True,
    ) -> None:
        self.domain = domain
        self.name = name
        self.at_s = at_s
        self.policy = policy
        self.mode = mode
        self.plugged = plugged
        self.online = online
        self.lower = lower
        self.upper = upper
        self.maximum = maximum
        self.schedules = schedules
        self.proposed = proposed
        self.held = held
        self.target = target
        self.next_vcpus = next_vcpus
        self.reason = reason
        self.act = act
        self.unplug_to = unplug_to
        self.clamps = clamps
        self.trace = trace
        self.order = order
        self.granted = granted
        self.load = load
        self.missing = missing
        self.seen = seen

    @property
    def moves(self) -> bool:
        """Whether the guest is to run more vCPUs, or fewer."""
        return self.act and self.next_vcpus != self.online

    @property
    def in_the_dark(self) -> bool:
        """Whether a guest that was not seen is only left as it is: then no count of it means anything."""
        return not self.seen and self.next_vcpus == self.online

    @property
    def verdict(self) -> Verdict:
        """Which way the next move goes."""
        if self.next_vcpus == self.online:
            return Verdict.HOLD if self.unplug_to is None else Verdict.UNPLUG
        return Verdict.GROW if self.next_vcpus > self.online else Verdict.SHRINK

    def withheld(self, reason: Reason) -> Decision:
        """This decision where, for this reason, the move that it asks for cannot be made."""
        clamp = Clamp(reason, self.next_vcpus, self.online)
        clamps = self.clamps if self.next_vcpus == self.online else (*self.clamps, clamp)
        return replace(self, next_vcpus=self.online, unplug_to=None, reason=reason, act=False, clamps=clamps)

    def settled(self, grant: Grant) -> Decision:
        """This decision as its host's arbiter lets it stand."""
        if grant.reason is None:
            return self
        clamp = Clamp(grant.reason, self.next_vcpus, grant.vcpus)
        # A growth that is only cut short is still a growth for the strategy's reason.
        kept = grant.vcpus > self.online
        return replace(
            self,
            next_vcpus=grant.vcpus,
            reason=self.reason if kept else grant.reason,
            act=grant.vcpus != self.online,
            unplug_to=None,
            clamps=(*self.clamps, clamp),
            granted=grant.detail,
        )
