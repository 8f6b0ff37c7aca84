"""Every governed domain with its state: taken up, remembered, let go; and what their hosts grant them.

Invariants: a domain is in the fleet exactly while it runs and a policy governs it; what was learned of one
that leaves is kept, and taken up again when it returns. Each is under the order that stands for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.asking import request_of
from autoscaler.core.by_hand import ByHand
from autoscaler.core.deadlines import DeadlineSettings, Stage
from autoscaler.core.delay import REMEMBERED
from autoscaler.core.domain_state import DomainState
from autoscaler.core.idle import IdleTime
from autoscaler.core.learned import DAY_S, Learned
from autoscaler.core.policy import Mode, Reclaim
from autoscaler.core.reason import Reason
from autoscaler.service.assignments import Assignments
from autoscaler.service.governed import Governed
from autoscaler.service.order_book import OrderBook
from autoscaler.service.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from autoscaler.core.arbiter import Grant, Request
    from autoscaler.core.model import DomainId, DomainView, HostView
    from autoscaler.core.orders import Order
    from autoscaler.core.policy import Policy, PolicySet
    from autoscaler.ports import Clock
    from autoscaler.service.host import Host
    from autoscaler.service.recorder import Recorder
    from autoscaler.service.settings import HostLimits
    from autoscaler.service.shares import HostShares


_AS_SHIPPED = DeadlineSettings()


class Fleet:
    """The governed domains; changed on the controller's thread alone."""

    def __init__(
        self,
        hosts: Sequence[Host],
        *,
        policies: PolicySet,
        limits: HostLimits,
        deadlines: DeadlineSettings = _AS_SHIPPED,
        recorder: Recorder,
        clock: Clock,
    ) -> None:
        """Begin with no domain, and with the orders on record.

        Raises:
            JournalUnavailable: those cannot be read.
        """
        self.assignments = Assignments(policies)
        self.orders = OrderBook(recorder, clock)
        self.hosts = {host.label: host for host in hosts}
        self._shares: dict[str, Shares] = {}
        """By the place of a host: connections of one place share its CPUs."""
        for host in hosts:
            shares = self._shares.setdefault(host.place, Shares(limits, deadlines))
            for took_s in recorder.growths_s(host.label, REMEMBERED):
                shares.delay.note(took_s)
                shares.deadlines.note(Stage.ONLINE, took_s)
        self._recorder = recorder
        self._clock = clock
        self._domains: dict[DomainId, Governed] = {}
        self._unkept: set[DomainId] = set()
        """Of whom something was learned since it was last kept."""

    def __iter__(self) -> Iterator[Governed]:
        return iter(list(self._domains.values()))

    def __contains__(self, governed: Governed) -> bool:
        return self._domains.get(governed.state.view.id) is governed

    def get(self, domain: DomainId) -> Governed | None:
        """The governed domain of this id; None: there is none."""
        return self._domains.get(domain)

    def shares(self, label: str) -> Shares:
        """What a host has to give."""
        return self._shares[self.hosts[label].place]

    def host_shares(self, label: str) -> HostShares:
        """How a host stands now."""
        place = self.hosts[label].place
        self._feel(place)
        return self._shares[place].now(governed.state.committed for governed in self._of(place))

    def wants_pressure(self, domain: DomainId) -> bool:
        """Whether a domain's pressure is to be read."""
        governed = self._domains.get(domain)
        return governed is not None and governed.state.wants_pressure

    def takes_back(self, label: str) -> bool:
        """Whether guests of a host are going to be asked for vCPUs, by the policies in force now."""
        return any(
            governed.state.decision is not None and governed.state.decision.mode is Mode.AUTO
            for domain, governed in self._domains.items()
            if governed.state.policy.down.reclaim is not Reclaim.OFFLINE and domain.host == label
        )

    def take_up(self, view: DomainView) -> tuple[Governed | None, bool]:
        """The governed domain of this view, None where no policy fits; and whether it is new."""
        policy = self.assignments.policy_of(view)
        if policy is None:
            return None, False
        governed = self._domains.get(view.id)
        new = governed is None
        if governed is None:
            governed = self._remembered(view, policy)
            self._domains[view.id] = governed
        else:
            governed.state.govern(policy, self._clock.monotonic_s())
        governed.state.order = self.orders.of(view.id)
        return governed, new

    def let_go(self, domain: DomainId) -> Governed | None:
        """Take a domain out and keep what was learned of it; None where it was not in."""
        governed = self._domains.pop(domain, None)
        if governed is not None:
            # What befalls it elsewhere, or under no policy, is nobody's change of this domain.
            self.keep(governed, leaves=True)
        return governed

    def discard(self, domain: DomainId) -> None:
        """Take a domain out whose state is not to be trusted: nothing of it is kept."""
        self._domains.pop(domain, None)
        self._unkept.discard(domain)

    def learned(self, domain: DomainId) -> None:
        """Something was learned of a domain: it is kept with the next `keep_learned`."""
        self._unkept.add(domain)

    def keep_learned(self) -> None:
        """Record what was learned of the domains that taught something since the last time."""
        for domain in tuple(self._unkept):
            self.keep(self._domains[domain])

    def keep(self, governed: Governed, *, at_once: bool = False, leaves: bool = False) -> None:
        """Record what was learned of a domain, how long its vCPUs are idle, and what somebody else did to it.

        `at_once`: on the disk; `leaves`: what counts only while it stays here is left out.
        """
        state, now_s = governed.state, self._clock.monotonic_s()
        self._unkept.discard(state.view.id)
        counts = governed.counts_kept = None if leaves else state.counts

        def learned() -> dict[str, object]:
            kept = state.learned.dump(now_s) | state.by_hand.dump(state.view.plugged, counts, now_s)
            return kept if leaves else kept | state.idle.dump(now_s)

        self._recorder.keep(state.view.id, learned, wall_s=self._clock.wall_s(), at_once=at_once)

    def give(self, order: Order) -> bool:
        """Let an order stand from now on; returns whether it is on record."""
        recorded = self.orders.give(order)
        governed = self._domains.get(order.domain)
        if governed is not None and not order.pauses and governed.state.by_hand.since_s is not None:
            # Who orders a count has the last word over who set another one before.
            governed.state.by_hand = ByHand()
            self.keep(governed, at_once=True)
        self._mind_orders()
        return recorded

    def end_order(self, domain: DomainId) -> bool:
        """Let the order for a domain, or for every one, stand no more; returns whether that is on record."""
        recorded = self.orders.end(domain)
        self._mind_orders()
        return recorded

    def _mind_orders(self) -> None:
        for domain, governed in self._domains.items():
            governed.state.order = self.orders.of(domain)

    def see_host(self, label: str, machine: HostView | None, ungoverned: Iterable[DomainView]) -> None:
        """Take in how a host itself was found, and which domains run there that no policy governs."""
        others_vcpus = sum(view.plugged for view in ungoverned if view.id.host == label)
        self.shares(label).see(label, machine, others_vcpus=others_vcpus)

    def grants(self, decided: Iterable[Governed]) -> dict[DomainId, Grant]:
        """What the hosts' arbiters say to these decisions, and to domains that have to give for them."""
        asking = {governed.state.view.id for governed in decided if governed.state.wants_to_move}
        found: dict[DomainId, Grant] = {}
        now_s = self._clock.monotonic_s()
        for place in {self.hosts[domain.host].place for domain in asking}:
            self._feel(place)
            most_vcpus = sum(governed.state.most_vcpus for governed in self._of(place))
            if self._shares[place].has_plenty(most_vcpus, len(asking), now_s):
                continue
            requests = [
                request_of(governed.state, now_s, asks=governed.state.view.id in asking)
                for governed in self._of(place)
            ]
            grants = self._shares[place].grants(requests, now_s)
            found |= {
                domain: grant
                for domain, grant in grants.items()
                if grant.reason is not None and (domain in asking or grant.reason is Reason.TAKEN_BACK)
            }
        return found

    def settled(self, requests: Iterable[Request]) -> dict[DomainId, Grant]:
        """What the domains of all hosts would have in the end, if each went on asking for the same."""
        by_place: dict[str, list[Request]] = {}
        for request in requests:
            by_place.setdefault(self.hosts[request.domain.host].place, []).append(request)
        found: dict[DomainId, Grant] = {}
        for place, there in by_place.items():
            self._feel(place)
            found |= self._shares[place].settled(there)
        return found

    def _feel(self, place: str) -> None:
        """Take in how much of its guests' time a host withholds now."""
        loads = (governed.state.load for governed in self._of(place))
        self._shares[place].feel(load for load in loads if load is not None)

    def _of(self, place: str) -> Iterator[Governed]:
        return (governed for governed in self._domains.values() if governed.host.place == place)

    def _remembered(self, view: DomainView, policy: Policy) -> Governed:
        """A new domain with what was learned and done before it left, or before the service ended."""
        now_s, wall_s = self._clock.monotonic_s(), self._clock.wall_s()
        shares = self.shares(view.id.host)
        lag_s, deadlines = shares.delay.typical_s, shares.deadlines
        past = self._recorder.changes(view.id, now_s=now_s, wall_s=wall_s, within_s=DAY_S)
        kept = self._recorder.kept(view.id)
        if kept is None:
            learned = Learned(policy, now_s, lag_s=lag_s)
            state = DomainState(view, policy, now_s, learned, past, deadlines)
        else:
            away_s = wall_s - kept.wall_s
            learned = Learned.restore(policy, kept.learned, now_s, away_s=away_s, lag_s=lag_s)
            state = DomainState(view, policy, now_s, learned, past, deadlines)
            state.by_hand = ByHand.restore(kept.learned, view.plugged, now_s, away_s=away_s, past=past)
            state.idle = IdleTime.restore(kept.learned, view.plugged, now_s, away_s=away_s, past=past)
        governed = Governed(state, self.hosts[view.id.host], counts_kept=state.by_hand.before)
        for operation in past:
            if operation.outcome is not None:
                governed.ended(operation)
        return governed
