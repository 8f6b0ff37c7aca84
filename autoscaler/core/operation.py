"""One change of a domain, from request to relief, as a value: the stages it passed and when.

Invariant: a stage is passed only when it was *seen*: "accepted" is the hypervisor's word, "present" and
"online" the guest's, "relieved" the load's; of a removal "offlined" is the guest's word, "requested" the
hypervisor's, "acknowledged" that of the guest's firmware, and "gone" what a look at QEMU shows. Times never
run backwards from one stage to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from autoscaler.core.model import GuestVcpus
from autoscaler.core.reason import Reason


class Direction(StrEnum):
    """Which way a change goes."""

    UP = "up"
    DOWN = "down"
    UNPLUG = "unplug"
    """A vCPU that the guest does not run goes back to the host."""


STAGES: dict[Direction, tuple[str, ...]] = {
    Direction.UP: ("accepted", "present", "online", "relieved"),
    Direction.DOWN: ("accepted", "online"),
    Direction.UNPLUG: ("offlined", "requested", "acknowledged", "gone"),
}
"""The stages of each kind of change, in their order. A closed set: these are metric labels."""


class Outcome(StrEnum):
    """How an operation ended. A closed set: these are metric labels."""

    DONE = "done"
    DENIED = "denied"
    """The hypervisor refused for a stated reason."""
    REFUSED = "refused"
    """The guest's firmware said that it does not give the vCPU back."""
    FAILED = "failed"
    STUCK = "stuck"
    """Accepted, but the guest did not follow within the deadline."""
    CONFLICT = "conflict"
    """The domain was changed by somebody else in between."""
    SUPERSEDED = "superseded"
    """Online, but a further change came before relief was seen."""
    ABANDONED = "abandoned"
    """Nobody saw its end: the domain stopped or was let go or taken up anew, or the service ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """Ask the hypervisor for more vCPUs."""

    expect: int
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOnline:
    """Ask the guest to run this many vCPUs."""

    target: int


@dataclass(frozen=True, slots=True)
class LookAtGuest:
    """Ask the guest which vCPUs it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplug:
    """Ask the hypervisor to take one vCPU back."""

    expect: int
    target: int


@dataclass(frozen=True, slots=True)
class Requested:
    """The answer to `Unplug`."""

    slot: int | None
    """The slot whose vCPU the guest was asked for; None: it was gone already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to do before this time, unless something is observed earlier."""

    until_s: float


Action = Plug | SetOnline | LookAtGuest | Unplug
Answer = GuestVcpus | Requested | None
"""What an action comes back with: None of a `Plug`, `Requested` of an `Unplug`, else what the guest shows."""


@dataclass(slots=True, init=False, unsafe_hash=True)
class Operation:
    """A change under way or ended; all times on `Clock.monotonic_s`, None: not reached (yet)."""

    decision_id: Final[int]
    from_vcpus: Final[int]
    to_vcpus: Final[int]
    reason: Final[Reason]
    requested_s: Final[float]
    accepted_s: Final[float | None]
    """The hypervisor (for a warm vCPU or a shrink: the guest's agent) took the request."""
    present_s: Final[float | None]
    """The guest's kernel lists the vCPUs; None for a shrink."""
    online_s: Final[float | None]
    """The guest runs exactly the vCPUs asked for, by its own word."""
    relieved_s: Final[float | None]
    """First interval after that in which the guest was no longer saturated; None for a shrink."""
    unplugs: Final[bool]
    """Whether this is a removal: its counts are of plugged vCPUs, `accepted_s` is its stage "requested"."""
    offlined_s: Final[float | None]
    """The guest said that it runs no more than the vCPUs that stay; of a removal only, as the next two."""
    acknowledged_s: Final[float | None]
    """The guest's firmware said that it deals with the request; some never do."""
    gone_s: Final[float | None]
    """QEMU has the vCPU no longer."""
    ended_s: Final[float | None]
    """The service counted it as over, however it ended."""
    held: Final[bool]
    """Whether a job, a freeze or a pause held the domain meanwhile, or the service was away: its times say
    nothing of its host."""
    outcome: Final[Outcome | None]
    detail: Final[str]
    """Where it did not end well: one sentence for the administrator."""

    def __init__(  # noqa: PLR0913 - its fields
        self,
        *,
        decision_id: int,
        from_vcpus: int,
        to_vcpus: int,
        reason: Reason,
        requested_s: float,
        accepted_s: float | None = None,
        present_s: float | None = None,
        online_s: float | None = None,
        relieved_s: float | None = None,
        unplugs: bool = False,
        offlined_s: float | None = None,
        acknowledged_s: float | None = None,
        gone_s: float | None = None,
        ended_s: float | None = None,
        held: bool = False,
        outcome: Outcome | None = None,
        detail: str = "",
    ) -> None:
        self.decision_id = decision_id
        self.from_vcpus = from_vcpus
        self.to_vcpus = to_vcpus
        self.reason = reason
        self.requested_s = requested_s
        self.accepted_s = accepted_s
        self.present_s = present_s
        self.online_s = online_s
        self.relieved_s = relieved_s
        self.unplugs = unplugs
        self.offlined_s = offlined_s
        self.acknowledged_s = acknowledged_s
        self.gone_s = gone_s
        self.ended_s = ended_s
        self.held = held
        self.outcome = outcome
        self.detail = detail

    @property
    def direction(self) -> Direction:
        """Which way it goes."""
        if self.unplugs:
            return Direction.UNPLUG
        return Direction.UP if self.to_vcpus > self.from_vcpus else Direction.DOWN

    @property
    def settled(self) -> bool:
        """Whether the guest runs what was asked, or never will by this operation."""
        return self.online_s is not None or self.outcome is not None

    def delayed(self) -> Operation:
        """Something holds the domain."""
        return self if self.held else replace(self, held=True)

    def offlined(self, now_s: float) -> Operation:
        """The guest does not run the vCPU that is to go."""
        return replace(self, offlined_s=now_s)

    def acknowledged(self, now_s: float) -> Operation:
        """The guest's firmware heard of the request, so the hypervisor took it."""
        if self.acknowledged_s is not None:
            return self
        return replace(self.accepted(now_s), acknowledged_s=now_s)

    def gone(self, now_s: float) -> Operation:
        """The vCPU is gone: the removal is over."""
        return replace(self.accepted(now_s), gone_s=now_s, outcome=Outcome.DONE)

    def accepted(self, now_s: float) -> Operation:
        """The request was taken."""
        return self if self.accepted_s is not None else replace(self, accepted_s=now_s)

    @property
    def unlisted(self) -> bool:
        """Whether it is a growth to vCPUs that were plugged before it, and that the guest does not list."""
        return self.direction is Direction.UP and self.accepted_s is None

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
        up, reached = self.direction is Direction.UP, self.reached(online)
        listed = reached or (present is not None and present >= self.to_vcpus)
        present_s = now_s if up and listed and self.present_s is None else self.present_s
        online_s = now_s if reached and self.online_s is None else self.online_s
        if present_s == self.present_s and online_s == self.online_s:
            return self
        accepted_s = now_s if self.accepted_s is None else self.accepted_s
        return replace(self, accepted_s=accepted_s, present_s=present_s, online_s=online_s)

    def found_done(self, count: int, now_s: float) -> Operation:
        """Nobody followed it to its end, and the domain is found with the vCPUs that it asked for."""
        found = self.delayed()
        found = found.gone(now_s) if found.unplugs else found.seen(present=None, online=count, now_s=now_s)
        return found.ended(Outcome.DONE, "found done when the domain was taken up again")

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
        if self.unplugs:
            stages = {
                "offlined": self.offlined_s,
                "requested": self.accepted_s,
                "acknowledged": self.acknowledged_s,
                "gone": self.gone_s,
            }
        return {name: at_s - self.requested_s for name, at_s in stages.items() if at_s is not None}
