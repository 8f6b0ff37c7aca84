"""From a recommendation to a target and to the next move towards it. Each clamp names its reason.

Two figures leave here: the *target*, which always lies within the bounds, and *next*, the size that this tick
may go to on the way there: a lowered maximum is reached in steps, too.

Invariants: lower <= target <= upper; next lies between the vCPUs online and the target; both are monotone in
the recommendation; no guard against shrinking is ever passed over by a recommendation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from autoscaler.core.model import BOUNDLESS_VCPUS
from autoscaler.core.policy import DownLimits, Mode, UpLimits
from autoscaler.core.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.core.recommend import Recommendation


@dataclass(slots=True, init=False, unsafe_hash=True)
class Clamp:
    """One step that changed the figure."""

    reason: Final[Reason]
    before: Final[int]
    after: Final[int]

    def __init__(self, reason: Reason, before: int, after: int) -> None:
        self.reason = reason
        self.before = before
        self.after = after


@dataclass(slots=True, init=False, unsafe_hash=True)
class Target:
    """The vCPUs to have, the size to go to now, the one reason that decided, and every clamp on the way."""

    vcpus: Final[int]
    next_vcpus: Final[int]
    reason: Final[Reason]
    clamps: Final[tuple[Clamp, ...]]

    def __init__(
        self,
        *,
        vcpus: int,
        next_vcpus: int,
        reason: Reason,
        clamps: tuple[Clamp, ...] = (),
    ) -> None:
        self.vcpus = vcpus
        self.next_vcpus = next_vcpus
        self.reason = reason
        self.clamps = clamps


@dataclass(slots=True, init=False, unsafe_hash=True)
class Situation:
    """What the clamps look at."""

    now_s: Final[float]
    online: Final[int]
    """vCPUs online now: what a move starts from."""
    lower: Final[int]
    upper: Final[int]
    mode: Final[Mode]
    up: Final[UpLimits]
    down: Final[DownLimits]
    held_vcpus: Final[int]
    """The most that the strategy's memory would keep."""
    last_change_s: Final[float | None]
    """When the last change of this domain ended; None: never."""
    shrinks: Final[int]
    """How many shrinks the last 24 hours have seen."""
    saturated: Final[bool]
    starved: Final[bool]
    """Whether the host withholds more of the vCPUs' time than a guest can be judged by."""
    doubted: Final[bool]
    """Whether the guest claims load that its host did not see, or not yet."""
    own_lower: Final[int | None]
    """The policy's own bound, where a schedule is in force; None: `lower` is its own."""
    own_upper: Final[int | None]
    ordered: Final[int | None]
    """The count that an administrator ordered, which then is `lower` and `upper` too; None: none."""

    def __init__(  # noqa: PLR0913 - its fields
        self,
        *,
        now_s: float,
        online: int,
        lower: int,
        upper: int,
        mode: Mode,
        up: UpLimits,
        down: DownLimits,
        held_vcpus: int,
        last_change_s: float | None,
        shrinks: int,
        saturated: bool,
        starved: bool,
        doubted: bool = False,
        own_lower: int | None = None,
        own_upper: int | None = None,
        ordered: int | None = None,
    ) -> None:
        self.now_s = now_s
        self.online = online
        self.lower = lower
        self.upper = upper
        self.mode = mode
        self.up = up
        self.down = down
        self.held_vcpus = held_vcpus
        self.last_change_s = last_change_s
        self.shrinks = shrinks
        self.saturated = saturated
        self.starved = starved
        self.doubted = doubted
        self.own_lower = own_lower
        self.own_upper = own_upper
        self.ordered = ordered


def stabilize(wish: Recommendation, at: Situation) -> Target:
    """Turn a recommendation into a target and the next move towards it."""
    clamps: list[Clamp] = []
    target = _clamped(wish.vcpus, _bounds(at), clamps)
    # Each limit of pace leaves the vCPUs online allowed: who is where it should be need not ask for leave.
    following = target if target == at.online else _clamped(target, _pace(at), clamps)
    assert at.lower <= target <= at.upper, (target, at)
    assert at.online <= following <= target or target <= following <= at.online, (following, target, at)
    return Target(
        vcpus=target,
        next_vcpus=following,
        reason=_reason(wish, following, at, clamps),
        clamps=tuple(clamps),
    )


def _clamped(value: int, steps: Iterator[tuple[Reason, int, int]], clamps: list[Clamp]) -> int:
    """Where these steps lead from a figure; each that changes it is noted."""
    for reason, low, high in steps:
        if not low <= value <= high:
            after = min(max(value, low), high)
            clamps.append(Clamp(reason, value, after))
            value = after
    return value


def _bounds(at: Situation) -> Iterator[tuple[Reason, int, int]]:
    """What the target may be: (reason, lowest, highest) in order."""
    if at.ordered is not None:
        yield Reason.ORDERED, at.ordered, at.ordered
        return
    yield Reason.HOLD, min(at.held_vcpus, at.online), BOUNDLESS_VCPUS
    if at.own_lower is not None and at.own_lower < at.lower:
        yield Reason.AT_MIN, at.own_lower, BOUNDLESS_VCPUS
        yield Reason.SCHEDULE, at.lower, BOUNDLESS_VCPUS
    yield Reason.AT_MIN, at.lower, BOUNDLESS_VCPUS
    if at.own_upper is not None and at.own_upper > at.upper:
        yield Reason.AT_MAX, 0, at.own_upper
        yield Reason.SCHEDULE, 0, at.upper
    yield Reason.AT_MAX, 0, at.upper


def _pace(at: Situation) -> Iterator[tuple[Reason, int, int]]:
    """How far this tick may go: (reason, lowest, highest) in order, each leaving the vCPUs online allowed."""
    online = at.online
    since_change_s = float("inf") if at.last_change_s is None else at.now_s - at.last_change_s
    if at.saturated and online <= at.upper:
        yield Reason.SATURATED, online, BOUNDLESS_VCPUS
    if at.starved:
        # Stolen time also hides demand, so that a starved guest looks as if it needed less.
        yield (
            Reason.STOLEN,
            online if online <= at.upper else 0,
            online if online >= at.lower else BOUNDLESS_VCPUS,
        )
    if at.doubted:
        yield Reason.DOUBTED, 0, max(online, at.lower)
    if at.mode is Mode.UP_ONLY:
        yield Reason.UP_ONLY, online, BOUNDLESS_VCPUS
    if at.shrinks >= at.down.per_day:
        yield Reason.DAILY_LIMIT, online, BOUNDLESS_VCPUS
    yield Reason.STEP, online - at.down.step_from(online), online + at.up.step_from(online)
    if since_change_s < at.up.cooldown_s:
        yield Reason.COOLDOWN, 0, online
    if since_change_s < at.down.cooldown_s:
        yield Reason.COOLDOWN, online, BOUNDLESS_VCPUS


def _reason(wish: Recommendation, following: int, at: Situation, clamps: list[Clamp]) -> Reason:
    """The recommendation's own reason where the move follows it, else the clamp that made the difference."""
    online = at.online
    move, wished = _sign(following - online), _sign(wish.vcpus - online)
    if move == wished and (move != 0 or not clamps):
        return Reason.STOLEN if move == 0 and at.starved else wish.reason
    if move == 0:
        return clamps[-1].reason
    return next(clamp.reason for clamp in clamps if _sign(clamp.after - online) == move)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
