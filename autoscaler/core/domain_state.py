"""One domain: what is known of it, what is decided for it, and the change that is under way.

No method reads a clock or does I/O. Each tick the driver calls `observe` with what was read and `decide`;
where the decision says ``act`` it begins an operation on `actuation` and drives that to its end.

Invariants: missing data never shrinks a domain and never reads as no load; a domain whose guest cannot
confirm a change is measured, not changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.actuation import Actuation
from autoscaler.core.condition import Condition, headroom, unconfirmed
from autoscaler.core.decision import Decision
from autoscaler.core.demand import DemandMeter, Load
from autoscaler.core.model import (
    CpuSource,
    DomainView,
    GuestVcpus,
    Missing,
    MissingReason,
    Observation,
    RunState,
    Sample,
)
from autoscaler.core.operation import Direction
from autoscaler.core.policy import Fallback, Mode, Policy
from autoscaler.core.reason import Reason
from autoscaler.core.recommend import Recommendation, by_target
from autoscaler.core.stabilize import Hold, Situation, Target, stabilize

if TYPE_CHECKING:
    from collections.abc import Mapping


class DomainState:
    """What the service knows of one domain and does about it."""

    def __init__(self, view: DomainView, policy: Policy, now_s: float) -> None:
        self.view = view
        self.policy = policy
        self.actuation = Actuation(view)
        self.missing: Missing | None = None
        """Why the last probe gave no sample; None: it gave one."""
        self.load: Load | None = None
        """Of the last two samples; None where they cannot be compared."""
        self.source: CpuSource | None = None
        self.last_sample_s: float | None = None
        self.decision: Decision | None = None
        self._why_host = ""
        self._meter = DemandMeter()
        self._hold = Hold()
        self._online: int | None = None
        self._online_at_s = float("-inf")
        self._known_since_s = now_s

    @property
    def online(self) -> int:
        """VCPUs the guest runs, as last seen; the plugged ones until it has been seen."""
        return self.view.plugged if self._online is None else self._online

    @property
    def _upper(self) -> int:
        """The most vCPUs that policy and domain allow."""
        return min(self.policy.max_vcpus or self.view.maximum, self.view.maximum)

    @property
    def conditions(self) -> Mapping[Condition, str]:
        """What is wrong now, each with its sentence."""
        found = dict(self.actuation.conditions)
        if self.missing is not None and not self._only_late(self.missing):
            found[Condition.NO_SAMPLE] = self.missing.detail
        elif self.source is CpuSource.HOST:
            found[Condition.UNCONFIRMED] = unconfirmed(self.view.name, self._why_host)
        short = headroom(self.view, self.policy, self.decision.proposed if self.decision else 0)
        if short is not None:
            found[Condition.NO_HEADROOM] = short
        return found

    def observe(self, view: DomainView, observation: Observation, now_s: float) -> None:
        """Take in what this tick read of the host side and of the guest."""
        self.view = view
        seen_online = None
        if isinstance(observation, Missing) or self._lost_its_agent(observation):
            self.missing, self.load = _as_missing(observation, view), None
            if view.state is not RunState.RUNNING or self._stale(now_s):
                self._meter.reset()
        else:
            self.missing, self.source, self.last_sample_s = None, observation.source, observation.at_s
            self._why_host = observation.detail
            measured = self._meter.feed(observation, view)
            self.load = measured if isinstance(measured, Load) else None
            if observation.at_s >= self._online_at_s:
                self._see_online(len(observation.online), observation.at_s)
                if observation.source is not CpuSource.HOST:
                    seen_online = self._online
        self.actuation.observed(view, seen_online, self.load, now_s)

    def _lost_its_agent(self, sample: Sample) -> bool:
        """Whether only the host side is left of a guest whose agent has answered before."""
        return sample.source is CpuSource.HOST and self.source not in {None, CpuSource.HOST}

    def guest_shows(self, vcpus: GuestVcpus, now_s: float) -> None:
        """The guest answered a change with what it has now."""
        self._see_online(vcpus.online, now_s)
        self.actuation.guest_shows(vcpus, now_s)

    def decide(self, now_s: float) -> Decision:
        """Decide where the domain should go, and whether to move there now. Every outcome has a reason."""
        wish = self._wish(now_s)
        target = self._target(wish, now_s)
        following, reason, act = target.next_vcpus, target.reason, False
        if following != self.online:
            obstacle = self._obstacle(following, now_s)
            if obstacle is not None:
                following, reason = self.online, obstacle
            else:
                act = self.policy.mode in {Mode.AUTO, Mode.UP_ONLY}
        self.decision = Decision(
            domain=self.view.id,
            name=self.view.name,
            at_s=now_s,
            policy=self.policy.name,
            mode=self.policy.mode,
            plugged=self.view.plugged,
            online=self.online,
            proposed=wish.vcpus,
            target=target.vcpus,
            next_vcpus=following,
            reason=reason,
            act=act,
            clamps=target.clamps,
            load=self.load,
            missing=self.missing,
        )
        return self.decision

    def _see_online(self, online: int, at_s: float) -> None:
        """Note what the guest runs; what it ran when first seen counts as wanted, for nobody knows better."""
        if self._online is None:
            self._hold.highest(at_s, online, self.policy.strategy.hold_s)
        self._online, self._online_at_s = online, at_s

    def _only_late(self, missing: Missing) -> bool:
        """Whether all that is wrong is an answer that may still come."""
        return missing.reason is MissingReason.LATE and not self._stale(missing.at_s)

    def _stale(self, now_s: float) -> bool:
        since_s = self._known_since_s if self.last_sample_s is None else self.last_sample_s
        return now_s - since_s > self.policy.missing.stale_after_s

    def _wish(self, now_s: float) -> Recommendation:
        """What the load asks for, or what its absence does."""
        if self.missing is None and self.load is not None:
            return by_target(self.load, self.policy.strategy)
        if self.missing is None:
            return Recommendation(vcpus=self.online, reason=Reason.WARMING_UP)
        rule = self.policy.missing
        raise_to = rule.raise_to_vcpus if rule.then is Fallback.RAISE_TO else None
        if raise_to is not None and min(raise_to, self._upper) > self.online and self._stale(now_s):
            return Recommendation(vcpus=raise_to, reason=Reason.RAISED)
        return Recommendation(vcpus=self.online, reason=Reason.MISSING)

    def _target(self, wish: Recommendation, now_s: float) -> Target:
        online = self.online
        upper = self._upper
        lower = min(self.policy.min_vcpus, upper)
        blind = {Reason.MISSING, Reason.WARMING_UP}
        if wish.reason in blind or self.view.state is not RunState.RUNNING:
            reason = wish.reason if self.view.state is RunState.RUNNING else Reason.NOT_RUNNING
            last = online if self.decision is None else self.decision.target
            return Target(vcpus=min(max(last, lower), upper), next_vcpus=online, reason=reason)
        situation = Situation(
            now_s=now_s,
            online=online,
            lower=lower,
            upper=upper,
            mode=self.policy.mode,
            up=self.policy.up,
            down=self.policy.down,
            held_vcpus=self._hold.highest(now_s, wish.vcpus, self.policy.strategy.hold_s),
            last_change_s=self.actuation.last_change_s,
            saturated=self.load is not None and self.load.saturated,
            steal_ratio=0.0 if self.load is None else self.load.steal_ratio,
        )
        return stabilize(wish, situation)

    def _obstacle(self, following: int, now_s: float) -> Reason | None:
        """Why a move that is wanted is not made now; None: nothing stands in its way."""
        if self.source is CpuSource.HOST and self.missing is None:
            return Reason.UNCONFIRMED
        return self.actuation.obstacle(Direction.UP if following > self.online else Direction.DOWN, now_s)


def _as_missing(observation: Observation, view: DomainView) -> Missing:
    """Why the guest was not seen; that its host was does not say what the guest runs."""
    if isinstance(observation, Missing):
        return observation
    return Missing(
        at_s=observation.at_s,
        reason=MissingReason.AGENT_ABSENT,
        detail=observation.detail
        or f"the agent of domain {view.name!r} answered before and is gone: "
        "`systemctl start qemu-guest-agent` in the guest",
    )
