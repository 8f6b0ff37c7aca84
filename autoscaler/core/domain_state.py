"""One domain: what is known of it, what is decided for it, and the change that is under way.

No method reads a clock or does I/O. Each tick the driver calls `observe` with what was read and `decide`; its
host's arbiter has the last word by `settle`; where the decision then says ``act`` the driver begins an
operation and drives that to its end.

Invariant: a change that somebody else made is told from our own by this: none of ours was under way, and the
guest was not booted anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.absence import as_missing, is_held, lost_its_agent, unbelievable
from autoscaler.core.actuation import Actuation
from autoscaler.core.by_hand import ByHand, Counts
from autoscaler.core.corroboration import Corroboration
from autoscaler.core.deadlines import Deadlines
from autoscaler.core.decide import decide, is_by_hand, is_stale
from autoscaler.core.demand import DemandMeter, Dropped, Load
from autoscaler.core.diagnosis import diagnosis
from autoscaler.core.idle import IdleTime
from autoscaler.core.learned import Learned
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
from autoscaler.core.policy import Indicator
from autoscaler.core.removal import Removal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.core.arbiter import Grant
    from autoscaler.core.condition import Condition
    from autoscaler.core.decision import Decision
    from autoscaler.core.operation import Operation
    from autoscaler.core.orders import Order
    from autoscaler.core.policy import Policy
    from autoscaler.core.reason import Reason


class DomainState:
    """What the service knows of one domain and does about it."""

    def __init__(
        self,
        view: DomainView,
        policy: Policy,
        now_s: float,
        learned: Learned | None = None,
        past: Sequence[Operation] = (),
        deadlines: Deadlines | None = None,
    ) -> None:
        """Know a domain as it is now.

        `learned`: what it taught before, None: nothing; `past`: its changes of a day, the oldest first;
        `deadlines`: of its host, None: of its own, as shipped.
        """
        self.view = view
        self.policy = policy
        self.learned = Learned(policy, now_s, lag_s=0.0) if learned is None else learned
        deadlines = deadlines or Deadlines()
        self.actuation = Actuation(view, deadlines)
        self.removal = Removal(view, deadlines)
        for operation in past:
            if operation.unplugs:
                self.removal.inherit(operation, now_s)
            else:
                self.actuation.inherit(operation, now_s)
            if operation.direction is not Direction.UP:
                self.learned.shrunk(operation.requested_s)
        self.missing: Missing | None = None
        """Why the last probe gave no sample; None: it gave one."""
        self.disbelieved = False
        """Whether the last sample lists more vCPUs than the guest can run."""
        self.load: Load | None = None
        """Of the last two samples; None where they cannot be compared."""
        self.dropped: Dropped | None = None
        """Why the last two samples give no load."""
        self.online = view.plugged
        """VCPUs the guest runs, as last seen; until it has been seen the plugged ones, to reckon with.

        It cannot run more than those, so what counts against its host is never too little. What is shown is
        `known_online`.
        """
        self.online_ids: frozenset[int] | None = None
        """The guest's own numbers of the vCPUs that it runs; None: it has not been seen."""
        self.source: CpuSource | None = None
        self.last_sample_s: float | None = None
        self.decision: Decision | None = None
        self.closed_slices = 0
        """How many slices of the service level the last observation closed."""
        self.order: Order | None = None
        """What an administrator ordered for it; None: nothing."""
        self.by_hand = ByHand()
        self.idle = IdleTime()
        """By what it used since when; what is `committed` counts as used."""
        self._boot_s: float | None = None
        self._why_host = ""
        self._meter = DemandMeter()
        self._corroboration = Corroboration()
        self._online_at_s = float("-inf")
        self._known_since_s = now_s

    @property
    def counts(self) -> Counts | None:
        """Its vCPUs as last seen in the boot that its guest tells; None: it tells none."""
        if self.online_ids is None or self._boot_s is None:
            return None
        return Counts(self.view.plugged, self.online, self._boot_s)

    @property
    def known_online(self) -> int | None:
        """VCPUs the guest runs, as last seen; None: it has not been seen."""
        return None if self.online_ids is None else self.online

    @property
    def last_known_s(self) -> float:
        """When the guest was last seen, or first governed."""
        return self._known_since_s if self.last_sample_s is None else self.last_sample_s

    @property
    def most_online(self) -> int:
        """The guest cannot run more: what is plugged, and may have been since that was seen."""
        return max(self.view.plugged, self.actuation.may_have_plugged)

    @property
    def doubted(self) -> bool:
        """Whether the guest claims load that its host did not see, or not yet."""
        return not self._corroboration.borne_out

    @property
    def wants_pressure(self) -> bool:
        """Whether its service level is measured by the guest's CPU pressure."""
        return self.policy.sla.indicator is Indicator.PRESSURE

    def conditions(self, now_s: float) -> Mapping[Condition, str]:
        """What is wrong now, each with its sentence."""
        return diagnosis(
            self,
            now_s,
            late=self.missing is not None and self._only_late(self.missing),
            why_host=self._why_host,
            doubt=self._corroboration.doubt,
        )

    def govern(self, policy: Policy, now_s: float) -> None:
        """Go on under this policy; what was learned stays where it means the same."""
        if policy is not self.policy:
            self.policy, before = policy, self.learned.recommender
            self.learned.govern(policy, now_s)
            if self.learned.recommender is not before and self.online_ids is not None:
                self.learned.recommender.first_saw(self.online, now_s)

    def observe(self, view: DomainView, observation: Observation, now_s: float) -> None:
        """Take in what this tick read of the host side and of the guest."""
        self.view = view
        self.disbelieved = isinstance(observation, Sample) and len(observation.online) > self.most_online
        if isinstance(observation, Sample) and self.disbelieved:
            observation = unbelievable(observation, view, self.most_online)
        held = is_held(view, observation)
        if self.online_ids is None:
            self.online = view.plugged
        given_back = self.removal.observed(view, now_s, held=held)
        seen_online = None
        others = not self.actuation.is_ours(view, given_back)
        if isinstance(observation, Missing) or lost_its_agent(observation, self.source):
            self.missing, self.load, self.dropped = as_missing(observation, view), None, None
            if view.state is not RunState.RUNNING or is_stale(self.last_known_s, self.policy, now_s):
                self._meter.reset()
        else:
            self.missing, self.source, self.last_sample_s = None, observation.source, observation.at_s
            self._why_host = observation.detail
            measured = self._meter.feed(observation, view)
            self.load, self.dropped = (measured, None) if isinstance(measured, Load) else (None, measured)
            self._corroboration.take(self.load)
            self._boot_s = observation.boot_s
            others = self.by_hand.changed_meanwhile(view.plugged, observation) or others
            if observation.at_s >= self._online_at_s:
                others = others or self._changed_by_others(observation, measured)
                self._see_online(len(observation.online), observation.online, observation.at_s)
                if observation.source is not CpuSource.HOST:
                    seen_online = self.online
        self._mind_others(now_s, changed=others)
        over_change = self._meter.over_change if self.missing is None else None
        self.closed_slices = self.learned.take(self.load, now_s, over_change=over_change)
        self.actuation.observed(view, seen_online, self.load, now_s, held=held)
        if self.online_ids is not None and self.source is not CpuSource.HOST:
            # Until its guest is seen all that is plugged is taken to be online, which is no use of it.
            self.idle.look(view.plugged, self.committed, now_s)
        if view.plugged <= self.committed:
            self.removal.content()

    def guest_shows(self, vcpus: GuestVcpus, now_s: float) -> None:
        """The guest answered a change with what it has now."""
        self._see_online(vcpus.online, vcpus.online_ids, now_s)
        self.actuation.guest_shows(vcpus, now_s)
        if self.actuation.operation is not None and self.actuation.operation.unlisted:
            self.removal.growth_finds(vcpus.present)

    def decide(self, now_s: float, wall_s: float) -> Decision:
        """Decide where the domain should go, and whether to move there now. Every outcome has a reason."""
        decision = decide(self, self.policy, self.learned, now_s, wall_s)
        if decision.trace is not None:
            # Not what a floor makes of it: a floor that is lowered again leaves nothing to be held.
            self.learned.recommender.note(min(decision.proposed, decision.upper), now_s)
            if decision.target == decision.online:
                self.actuation.content()
        self.decision = decision
        return decision

    @property
    def committed(self) -> int:
        """VCPUs that count against the host: those online, or those that a growth under way will bring."""
        online = self.online
        return max(online, self.actuation.coming(online)) if self.actuation.busy else online

    @property
    def most_vcpus(self) -> int:
        """No more count against the host, whatever is granted."""
        return max(self.view.maximum, self.committed)

    @property
    def wants_to_move(self) -> bool:
        """Whether the last decision asks for a move that was not begun yet."""
        decision = self.decision
        return decision is not None and decision.moves and not self.actuation.busy

    def settle(self, grant: Grant) -> Decision:
        """Let the arbiter's grant stand in the last decision."""
        assert self.decision is not None
        self.decision = self.decision.settled(grant)
        return self.decision

    def withhold(self, reason: Reason) -> Decision:
        """Do not make the move that the last decision asks for."""
        assert self.decision is not None
        self.decision = self.decision.withheld(reason)
        return self.decision

    def begin(self, decision: Decision, decision_id: int, now_s: float) -> Operation:
        """Start the move, or the removal, that `decision` asks for."""
        beginner = self.removal if decision.unplug_to is not None else self.actuation
        self.by_hand.before = None  # From now on another count may be ours.
        operation = beginner.begin(decision, decision_id, now_s)
        if operation.direction is Direction.UP:
            self.removal.give_way()
            self.idle.use(self.committed, now_s)  # Needed, even if it fails before anybody looks again.
        else:
            self.learned.shrunk(now_s)
        return operation

    def _changed_by_others(self, sample: Sample, measured: Load | Dropped) -> bool:
        """Whether the guest runs other vCPUs than it did, and neither we nor a boot can be why."""
        return (
            self.online_ids is not None
            and sample.source is not CpuSource.HOST
            and sample.online != self.online_ids
            and not self.removal.explains(self.online_ids, sample.online)
            and measured not in {Dropped.REBOOT, Dropped.BACKWARDS, Dropped.SOURCE, Dropped.FIRST}
            and not self._may_run(len(sample.online))
        )

    def _may_run(self, online: int) -> bool:
        """Whether what was begun here can be why it runs others; as many others, only while it is at work."""
        if online == self.online:
            return self.actuation.busy
        return self.actuation.may_bring(self.online, online)

    def _mind_others(self, now_s: float, *, changed: bool) -> None:
        """Respect a change that somebody else made; adopt its count once that time is over."""
        if changed:
            self.by_hand.since_s = now_s
        elif self.by_hand.since_s is not None and not is_by_hand(self.by_hand.since_s, self.policy, now_s):
            self.by_hand.since_s = None
            if self.online_ids is not None:
                self.learned.recommender.first_saw(self.online, now_s)
            # What is plugged is adopted, too: idle from here on, and left for a cooldown as after a change.
            self.idle.use(self.view.plugged, now_s)
            self.removal.last_change_s = now_s

    def _see_online(self, online: int, ids: frozenset[int], at_s: float) -> None:
        """Note what the guest runs; what it ran when first seen counts as wanted, for nobody knows better."""
        if self.online_ids is None:
            self.learned.recommender.first_saw(online, at_s)
        self.online, self.online_ids, self._online_at_s = online, ids, at_s

    def _only_late(self, missing: Missing) -> bool:
        """Whether all that is wrong is an answer that may still come."""
        late = missing.reason is MissingReason.LATE
        return late and not is_stale(self.last_known_s, self.policy, missing.at_s)
