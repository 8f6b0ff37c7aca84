"""One change of a domain, from request to relief, as a value: the stages it passed and when.

Invariant: a stage is passed only when it was *seen*: "accepted" is the hypervisor's word, "present" and
"online" the guest's, "relieved" the load's. Times never run backwards from one stage to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.core.reason import Reason


class Direction(StrEnum):
    """Which way a change goes."""

    UP = "up"
    DOWN = "down"


class Outcome(StrEnum):
    """How an operation ended. A closed set: these are metric labels."""

    DONE = "done"
    DENIED = "denied"
    """The hypervisor refused for a stated reason."""
    FAILED = "failed"
    STUCK = "stuck"
    """Accepted, but the guest did not follow within the deadline."""
    CONFLICT = "conflict"
    """The domain was changed by somebody else in between."""
    SUPERSEDED = "superseded"
    """Online, but a further change came before relief was seen."""
    ABANDONED = "abandoned"
    """Nobody saw its end: the domain stopped, its policy let it go, or the service ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """Ask the hypervisor for more vCPUs."""

    expect: int
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOnline:
    """Ask the guest to run this many vCPUs."""

    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to do before this time, unless something is observed earlier."""

    until_s: float


Action = Plug | SetOnline


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A change under way or ended; all times on `Clock.monotonic_s`, None: not reached (yet)."""

    decision_id: int
    from_vcpus: int
    to_vcpus: int
    reason: Reason
    requested_s: float
    accepted_s: float | None = None
    """The hypervisor (for a warm vCPU or a shrink: the guest's agent) took the request."""
    present_s: float | None = None
    """The guest's kernel lists the vCPUs; None for a shrink."""
    online_s: float | None = None
    """The guest runs exactly the vCPUs asked for, by its own word."""
    relieved_s: float | None = None
    """First interval after that in which the guest was no longer saturated; None for a shrink."""
    outcome: Outcome | None = None
    detail: str = ""
    """Where it did not end well: one sentence for the administrator."""

    @property
    def direction(self) -> Direction:
        """Up or down."""
        return Direction.UP if self.to_vcpus > self.from_vcpus else Direction.DOWN

    @property
    def settled(self) -> bool:
        """Whether the guest runs what was asked, or never will by this operation."""
        return self.online_s is not None or self.outcome is not None

    def accepted(self, now_s: float) -> Operation:
        """The request was taken."""
        return self if self.accepted_s is not None else replace(self, accepted_s=now_s)

    def reached(self, online: int) -> bool:
        """Whether a guest that runs `online` vCPUs has what was asked for."""
        return online >= self.to_vcpus if self.direction is Direction.UP else online <= self.to_vcpus

    def leads(self, before: int, after: int) -> bool:
        """Whether a count that goes from one to the other is on this operation's way."""
        if self.direction is Direction.UP:
            return before <= after <= self.to_vcpus
        return self.to_vcpus <= after <= before

    def seen(self, *, present: int | None, online: int, now_s: float) -> Operation:
        """Note what the guest shows; `present` is None where only the online vCPUs were read."""
        operation = self
        up, reached = self.direction is Direction.UP, self.reached(online)
        listed = reached or (present is not None and present >= self.to_vcpus)
        if up and listed and self.present_s is None:
            operation = replace(operation.accepted(now_s), present_s=now_s)
        if reached and self.online_s is None:
            operation = replace(operation.accepted(now_s), online_s=now_s)
        return operation

    def relieved(self, now_s: float) -> Operation:
        """The load fits now: the operation is over."""
        return replace(self, relieved_s=now_s, outcome=Outcome.DONE)

    def ended(self, outcome: Outcome, detail: str = "") -> Operation:
        """The operation is over."""
        return replace(self, outcome=outcome, detail=detail)

    def stages_s(self) -> dict[str, float]:
        """Seconds from the request to each stage reached, by the stage's name."""
        stages = {
            "accepted": self.accepted_s,
            "present": self.present_s,
            "online": self.online_s,
            "relieved": self.relieved_s,
        }
        return {name: at_s - self.requested_s for name, at_s in stages.items() if at_s is not None}
