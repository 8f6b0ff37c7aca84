"""One decision on a domain: what the strategy wants, the bounds in force, and every limit on the way.

Invariants: deciding changes nothing, so that another policy can be tried on the same facts; missing data
never shrinks a domain and never reads as no load; a domain whose guest cannot confirm a change is measured,
not changed; under a pause a decision says what would be done, and nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from autoscaler.core.decision import Decision
from autoscaler.core.model import CpuSource, MissingReason, RunState
from autoscaler.core.operation import Direction
from autoscaler.core.policy import Fallback, Mode
from autoscaler.core.reason import Reason
from autoscaler.core.reclaim import unplug_to
from autoscaler.core.recommend import Recommendation
from autoscaler.core.schedule import bounds_at
from autoscaler.core.stabilize import Situation, Target, stabilize

if TYPE_CHECKING:
    from autoscaler.core.domain_state import DomainState
    from autoscaler.core.learned import Learned
    from autoscaler.core.model import DomainView
    from autoscaler.core.policy import Policy
    from autoscaler.core.schedule import Bounds

ACTING: Final = frozenset({Mode.AUTO, Mode.UP_ONLY})
"""The modes in which something is changed."""
_AS_IT_IS: Final = frozenset({Reason.MISSING, Reason.FROZEN, Reason.WARMING_UP})
"""Nothing is known by which a target could be found: the last one stays."""


@dataclass(slots=True, init=False, unsafe_hash=True)
class Limits:
    """The bounds in force, within what the domain can have at all."""

    lower: Final[int]
    upper: Final[int]
    mode: Final[Mode]
    schedules: Final[tuple[str, ...]]
    """Names of the schedules in force."""

    def __init__(
        self,
        lower: int,
        upper: int,
        mode: Mode,
        schedules: tuple[str, ...],
    ) -> None:
        self.lower = lower
        self.upper = upper
        self.mode = mode
        self.schedules = schedules


def limits_at(policy: Policy, view: DomainView, wall_s: float) -> Limits:
    """The fewest and most vCPUs that policy, schedules and domain allow now."""
    bounds: Policy | Bounds = policy
    schedules: tuple[str, ...] = ()
    if policy.schedules:
        bounds = bounds_at(policy, wall_s)
        schedules = bounds.active
    upper = min(bounds.max_vcpus or view.maximum, view.maximum)
    return Limits(min(bounds.min_vcpus, upper), upper, bounds.mode, schedules)


def decide(state: DomainState, policy: Policy, learned: Learned, now_s: float, wall_s: float) -> Decision:
    """Decide where the domain should go and whether to move there now, before its host was asked.

    Policy and memory are handed in, those of `state` are not looked at: others can be tried on its facts.
    """
    view, online, order = state.view, state.online, state.order
    ordered = None if order is None or order.vcpus is None else min(order.vcpus, view.maximum)
    paused = order is not None and order.pauses
    limits = limits_at(policy, view, wall_s)
    if ordered is not None:
        limits = replace(limits, lower=ordered, upper=ordered, schedules=())
    wish = _wish(state, policy, learned, limits, now_s)
    target = _target(state, policy, learned, limits, wish, ordered, now_s)
    following, reason = target.next_vcpus, target.reason
    if following != online and paused:
        reason = Reason.PAUSED
    elif following != online:
        obstacle = _obstacle(state, policy, following, now_s)
        if obstacle is not None:
            following, reason = online, obstacle
    staying = None
    if policy.down.idle_s is not None and following == online and _is_its_own(state, policy, now_s):
        staying = unplug_to(state, policy, learned, limits, target, now_s)
    return Decision(
        domain=view.id,
        name=view.name,
        at_s=now_s,
        policy=policy.name,
        mode=limits.mode,
        plugged=view.plugged,
        online=online,
        lower=limits.lower,
        upper=limits.upper,
        maximum=view.maximum,
        schedules=limits.schedules,
        proposed=wish.vcpus,
        held=wish.held_vcpus,
        target=target.vcpus,
        next_vcpus=following,
        reason=reason if staying is None else Reason.IDLE,
        act=(following != online or staying is not None)
        and not paused
        and (limits.mode in ACTING or ordered is not None),
        unplug_to=staying,
        clamps=target.clamps,
        order="" if order is None else str(order),
        trace=wish.trace,
        load=state.load,
        missing=state.missing,
        seen=state.online_ids is not None,
    )


def is_stale(last_sample_s: float, policy: Policy, now_s: float) -> bool:
    """Whether a guest last seen then has not been seen for longer than the policy puts up with."""
    return now_s - last_sample_s > policy.missing.stale_after_s


def is_by_hand(by_hand_s: float | None, policy: Policy, now_s: float) -> bool:
    """Whether a change that somebody else made then is still to be respected."""
    return by_hand_s is not None and now_s - by_hand_s < policy.manual_change.respect_for_s


def _is_its_own(state: DomainState, policy: Policy, now_s: float) -> bool:
    """Whether nobody but the policy has a say in the vCPUs now."""
    return state.order is None and not state.view.job and not is_by_hand(state.by_hand.since_s, policy, now_s)


def _wish(
    state: DomainState, policy: Policy, learned: Learned, limits: Limits, now_s: float
) -> Recommendation:
    """What the load asks for, or what its absence does."""
    load, missing = state.load, state.missing
    if missing is None and load is not None:
        return learned.recommender.recommend(load, limits.upper, now_s)
    online = state.online
    if missing is None:
        return Recommendation(vcpus=online, reason=Reason.WARMING_UP)
    if missing.reason is MissingReason.FROZEN:
        # Nothing can be asked of the guest meanwhile, and nothing is wrong with it.
        return Recommendation(vcpus=online, reason=Reason.FROZEN)
    rule = policy.missing
    raise_to = rule.raise_to_vcpus if rule.then is Fallback.RAISE_TO else None
    stale = is_stale(state.last_known_s, policy, now_s)
    if stale and raise_to is not None and min(raise_to, limits.upper) > online:
        return Recommendation(vcpus=raise_to, reason=Reason.RAISED)
    return Recommendation(vcpus=online, reason=Reason.MISSING)


def _target(
    state: DomainState,
    policy: Policy,
    learned: Learned,
    limits: Limits,
    wish: Recommendation,
    ordered: int | None,
    now_s: float,
) -> Target:
    view, online, load = state.view, state.online, state.load
    running = view.state is RunState.RUNNING
    if wish.reason in _AS_IT_IS or not running:
        last = online if state.decision is None else state.decision.target
        return Target(
            vcpus=min(max(last, limits.lower), limits.upper),
            next_vcpus=online,
            reason=wish.reason if running else Reason.NOT_RUNNING,
        )
    if ordered is not None:
        wish = replace(wish, reason=Reason.ORDERED)
    situation = Situation(
        now_s=now_s,
        online=online,
        lower=limits.lower,
        upper=limits.upper,
        mode=limits.mode if ordered is None else Mode.AUTO,
        up=policy.up,
        down=policy.down,
        held_vcpus=wish.held_vcpus,
        last_change_s=state.actuation.last_change_s,
        shrinks=learned.shrinks(now_s),
        saturated=load is not None and load.saturated,
        starved=load is not None and load.starved,
        doubted=load is not None and state.doubted,
        own_lower=policy.min_vcpus if limits.schedules else None,
        own_upper=min(policy.max_vcpus or view.maximum, view.maximum) if limits.schedules else None,
        ordered=ordered,
    )
    return stabilize(wish, situation)


def _obstacle(state: DomainState, policy: Policy, following: int, now_s: float) -> Reason | None:
    """Why a move that is wanted is not made now; None: nothing stands in its way."""
    if state.view.job:
        return Reason.HELD
    if state.source is CpuSource.HOST and state.missing is None:
        return Reason.UNCONFIRMED
    if is_by_hand(state.by_hand.since_s, policy, now_s):
        return Reason.BY_HAND
    return state.actuation.obstacle(Direction.UP if following > state.online else Direction.DOWN, now_s)


def may_yield(state: DomainState, decision: Decision, now_s: float) -> bool:
    """Whether a vCPU may be taken from this domain for one of higher priority, as far as it is concerned."""
    policy, online = state.policy, state.online
    return (
        online > decision.lower
        and decision.mode is Mode.AUTO
        and state.order is None
        and not (decision.act and decision.next_vcpus < online)
        and state.missing is None
        and state.view.state is RunState.RUNNING
        and state.learned.shrinks(now_s) < policy.down.per_day
        and _obstacle(state, policy, online - 1, now_s) is None
    )
