"""One decision from facts: what the strategy wants, the bounds in force, and every limit on the way.

Invariants: deciding changes nothing, so that another policy can be tried on the same facts; missing data
never shrinks a domain and never reads as no load; a domain whose guest cannot confirm a change is measured,
not changed; under a pause a decision says what would be done, and nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

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
    from collections.abc import Callable

    from autoscaler.core.demand import Load
    from autoscaler.core.learned import Learned
    from autoscaler.core.model import DomainView, Missing
    from autoscaler.core.orders import Order
    from autoscaler.core.policy import Policy
    from autoscaler.core.removal import Removal
    from autoscaler.core.schedule import Bounds

ACTING = frozenset({Mode.AUTO, Mode.UP_ONLY})
"""The modes in which something is changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one domain when it is decided, free of any policy."""

    view: DomainView
    online: int
    """VCPUs the guest runs, as last seen."""
    load: Load | None
    missing: Missing | None
    source: CpuSource | None
    last_sample_s: float
    """When the guest was last seen, or first governed."""
    last_change_s: float | None
    """When the last change of ours ended; None: never."""
    by_hand_s: float | None
    """When somebody else last changed the vCPUs; None: nobody did."""
    obstacle: Callable[[Direction, float], Reason | None]
    """Why no change of a direction can begin at a time; None: it can."""
    last_target: int | None
    """The target before; None: there was none."""
    committed: int
    """VCPUs that the guest runs, or will run once a growth under way is done."""
    removal: Removal | None
    """What is known of removals; None: none can begin now."""
    doubted: bool = False
    """Whether the guest claims load that its host did not see, or not yet."""
    order: Order | None = None
    """What an administrator ordered for it; None: nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds in force, within what the domain can have at all."""

    lower: int
    upper: int
    mode: Mode
    schedules: tuple[str, ...]
    """Names of the schedules in force."""


def limits_at(policy: Policy, view: DomainView, wall_s: float) -> Limits:
    """The fewest and most vCPUs that policy, schedules and domain allow now."""
    bounds: Policy | Bounds = policy
    schedules: tuple[str, ...] = ()
    if policy.schedules:
        bounds = bounds_at(policy, wall_s)
        schedules = bounds.active
    upper = min(bounds.max_vcpus or view.maximum, view.maximum)
    return Limits(min(bounds.min_vcpus, upper), upper, bounds.mode, schedules)


def decide(facts: Facts, policy: Policy, learned: Learned, now_s: float, wall_s: float) -> Decision:
    """Decide where the domain should go and whether to move there now, before its host was asked."""
    limits = limits_at(policy, facts.view, wall_s)
    ordered, paused = _ordered(facts), facts.order is not None and facts.order.pauses
    if ordered is not None:
        limits = replace(limits, lower=ordered, upper=ordered, schedules=())
    wish = _wish(facts, policy, learned, limits, now_s)
    target = _target(facts, policy, learned, limits, wish, now_s)
    following, reason = target.next_vcpus, target.reason
    if following != facts.online and paused:
        reason = Reason.PAUSED
    elif following != facts.online:
        obstacle = _obstacle(facts, policy, following, now_s)
        if obstacle is not None:
            following, reason = facts.online, obstacle
    staying = None
    if following == facts.online and _is_its_own(facts, policy, now_s):
        staying = unplug_to(facts, policy, learned, limits, target, now_s)
    return Decision(
        domain=facts.view.id,
        name=facts.view.name,
        at_s=now_s,
        policy=policy.name,
        mode=limits.mode,
        plugged=facts.view.plugged,
        online=facts.online,
        lower=limits.lower,
        upper=limits.upper,
        schedules=limits.schedules,
        proposed=wish.vcpus,
        held=wish.held_vcpus,
        target=target.vcpus,
        next_vcpus=following,
        reason=reason if staying is None else Reason.IDLE,
        act=(following != facts.online or staying is not None)
        and not paused
        and (limits.mode in ACTING or ordered is not None),
        unplug_to=staying,
        clamps=target.clamps,
        order="" if facts.order is None else str(facts.order),
        trace=wish.trace,
        load=facts.load,
        missing=facts.missing,
    )


def is_stale(last_sample_s: float, policy: Policy, now_s: float) -> bool:
    """Whether a guest last seen then has not been seen for longer than the policy puts up with."""
    return now_s - last_sample_s > policy.missing.stale_after_s


def is_by_hand(by_hand_s: float | None, policy: Policy, now_s: float) -> bool:
    """Whether a change that somebody else made then is still to be respected."""
    return by_hand_s is not None and now_s - by_hand_s < policy.manual_change.respect_for_s


def _is_its_own(facts: Facts, policy: Policy, now_s: float) -> bool:
    """Whether nobody but the policy has a say in the vCPUs now."""
    return facts.order is None and not facts.view.job and not is_by_hand(facts.by_hand_s, policy, now_s)


def _ordered(facts: Facts) -> int | None:
    """The count that was ordered, as far as the domain can have it; None: none was."""
    if facts.order is None or facts.order.vcpus is None:
        return None
    return min(facts.order.vcpus, facts.view.maximum)


def _wish(facts: Facts, policy: Policy, learned: Learned, limits: Limits, now_s: float) -> Recommendation:
    """What the load asks for, or what its absence does."""
    if facts.missing is None and facts.load is not None:
        return learned.recommender.recommend(facts.load, limits.upper, now_s)
    if facts.missing is None:
        return Recommendation(vcpus=facts.online, reason=Reason.WARMING_UP)
    if facts.missing.reason is MissingReason.FROZEN:
        # Nothing can be asked of the guest meanwhile, and nothing is wrong with it.
        return Recommendation(vcpus=facts.online, reason=Reason.FROZEN)
    rule = policy.missing
    raise_to = rule.raise_to_vcpus if rule.then is Fallback.RAISE_TO else None
    stale = is_stale(facts.last_sample_s, policy, now_s)
    if stale and raise_to is not None and min(raise_to, limits.upper) > facts.online:
        return Recommendation(vcpus=raise_to, reason=Reason.RAISED)
    return Recommendation(vcpus=facts.online, reason=Reason.MISSING)


def _target(
    facts: Facts, policy: Policy, learned: Learned, limits: Limits, wish: Recommendation, now_s: float
) -> Target:
    running = facts.view.state is RunState.RUNNING
    if wish.reason in {Reason.MISSING, Reason.FROZEN, Reason.WARMING_UP} or not running:
        last = facts.online if facts.last_target is None else facts.last_target
        return Target(
            vcpus=min(max(last, limits.lower), limits.upper),
            next_vcpus=facts.online,
            reason=wish.reason if running else Reason.NOT_RUNNING,
        )
    ordered = _ordered(facts)
    if ordered is not None:
        wish = replace(wish, reason=Reason.ORDERED)
    situation = Situation(
        now_s=now_s,
        online=facts.online,
        lower=limits.lower,
        upper=limits.upper,
        mode=limits.mode if ordered is None else Mode.AUTO,
        up=policy.up,
        down=policy.down,
        held_vcpus=wish.held_vcpus,
        last_change_s=facts.last_change_s,
        shrinks=learned.shrinks(now_s),
        saturated=facts.load is not None and facts.load.saturated,
        starved=facts.load is not None and facts.load.starved,
        doubted=facts.doubted and facts.load is not None,
        own_lower=policy.min_vcpus if limits.schedules else None,
        own_upper=(policy.max_vcpus or facts.view.maximum) if limits.schedules else None,
        ordered=ordered,
    )
    return stabilize(wish, situation)


def _obstacle(facts: Facts, policy: Policy, following: int, now_s: float) -> Reason | None:
    """Why a move that is wanted is not made now; None: nothing stands in its way."""
    if facts.view.job:
        return Reason.HELD
    if facts.source is CpuSource.HOST and facts.missing is None:
        return Reason.UNCONFIRMED
    if is_by_hand(facts.by_hand_s, policy, now_s):
        return Reason.BY_HAND
    return facts.obstacle(Direction.UP if following > facts.online else Direction.DOWN, now_s)


def may_yield(facts: Facts, policy: Policy, learned: Learned, decision: Decision, now_s: float) -> bool:
    """Whether a vCPU may be taken from this domain for one of higher priority, as far as it is concerned."""
    return (
        decision.mode is Mode.AUTO
        and facts.order is None
        and not (decision.act and decision.next_vcpus < facts.online)
        and facts.online > decision.lower
        and facts.missing is None
        and facts.view.state is RunState.RUNNING
        and learned.shrinks(now_s) < policy.down.per_day
        and _obstacle(facts, policy, facts.online - 1, now_s) is None
    )
