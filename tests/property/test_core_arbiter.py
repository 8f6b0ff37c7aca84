"""What holds for every host, whatever its domains run and ask for: bounds, fairness, priority, and rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.arbiter import Capacity, Grant, Request, arbitrate, settled
from autoscaler.core.model import DomainId
from autoscaler.core.reason import Reason

UNIT = settings(derandomize=True, deadline=None, database=None, max_examples=400)
"""Derandomized, so that a run says the same today and tomorrow."""
LONG = settings(UNIT, max_examples=300)
"""A story costs more than a sum."""

WEIGHTS = st.sampled_from([0.5, 1.0, 2.0, 3.0])
UNHURRIED = 1000
"""More changes than any example needs."""


@dataclass(frozen=True)
class Host:
    """The requests of one moment, and what the host can bear of them."""

    asked: list[Request]
    capacity: Capacity

    @property
    def used(self) -> int:
        return sum(request.current for request in self.asked)

    @property
    def vcpus(self) -> int:
        assert self.capacity.vcpus is not None
        return self.capacity.vcpus

    def grants(self) -> dict[DomainId, Grant]:
        return arbitrate(self.asked, self.capacity)

    def but(self, **changes: object) -> Host:
        return replace(self, capacity=replace(self.capacity, **changes))  # type: ignore[arg-type]


@st.composite
def requests(draw: st.DrawFn, number: int) -> Request:
    current = draw(st.integers(1, 8))
    want = max(1, current + draw(st.sampled_from([-2, 0, 0, 1, 2, 5])))
    return Request(
        domain=DomainId("host", f"{number}"),
        current=current,
        want=want,
        floor=draw(st.sampled_from([1, 1, 2, 4])),
        priority=draw(st.sampled_from([50, 100, 200])),
        weight=draw(WEIGHTS),
        yields=draw(st.sampled_from([True, True, False])),
        yielding=draw(st.sampled_from([0, 0, 0, 1])) if want <= current else 0,
        ready=draw(st.sampled_from([True, True, True, False])),
    )


@st.composite
def hosts(draw: st.DrawFn, *, calm: bool = False) -> Host:
    """A host that is not far from full; a calm one is not pressed and begins as much as it likes."""
    asked = [draw(requests(number)) for number in range(draw(st.integers(1, 8)))]
    used = sum(request.current for request in asked)
    capacity = Capacity(
        vcpus=max(0, used + draw(st.integers(-3, 10))),
        pressed="" if calm else draw(st.sampled_from(["", "tasks wait"])),
        changes_left=UNHURRIED if calm else draw(st.sampled_from([0, 1, 2, 3, 4, UNHURRIED])),
    )
    return Host(asked, capacity)


def taken(grant: Grant) -> bool:
    return grant.reason is Reason.TAKEN_BACK


def may_give(request: Request) -> bool:
    return request.yields and request.want >= request.current > request.floor


@UNIT
@given(hosts())
def test_grants_stay_within_what_the_host_can_bear_or_runs_already(host: Host) -> None:
    grants = host.grants()
    assert grants.keys() == {request.domain for request in host.asked}
    assert sum(grant.vcpus for grant in grants.values()) <= max(host.vcpus, host.used)


@UNIT
@given(hosts())
def test_what_is_given_up_is_not_counted_on(host: Host) -> None:
    grants = host.grants()
    growth = sum(max(0, grants[request.domain].vcpus - request.current) for request in host.asked)
    assert growth <= max(0, host.vcpus - host.used)


@UNIT
@given(hosts())
def test_each_grant_lies_between_what_the_domain_has_and_what_it_asks_for(host: Host) -> None:
    grants = host.grants()
    for request in host.asked:
        grant = grants[request.domain]
        if taken(grant):
            assert grant.vcpus == request.current - 1 >= request.floor
            assert may_give(request)
        else:
            low, high = sorted((request.current, request.want))
            assert low <= grant.vcpus <= high
            assert (grant.reason is None) is (grant.vcpus == request.want)


@UNIT
@given(hosts())
def test_no_more_changes_begin_than_are_left(host: Host) -> None:
    grants = host.grants()
    begun = [
        r for r in host.asked if grants[r.domain].vcpus != r.current and (r.ready or taken(grants[r.domain]))
    ]
    assert len(begun) <= host.capacity.changes_left


@UNIT
@given(hosts(), st.integers(0, 1000))
def test_the_order_of_the_requests_does_not_matter(host: Host, seed: int) -> None:
    shuffled = list(host.asked)
    Random(seed).shuffle(shuffled)
    assert replace(host, asked=shuffled).grants() == host.grants()


@UNIT
@given(hosts(), st.integers(1, 5), st.integers(0, 7))
def test_to_ask_for_more_never_gets_less(host: Host, more: int, which: int) -> None:
    modest = host.asked[which % len(host.asked)]
    greedy = replace(modest, want=modest.want + more)
    others = [request for request in host.asked if request is not modest]
    after = replace(host, asked=[*others, greedy]).grants()
    assert after[modest.domain].vcpus >= host.grants()[modest.domain].vcpus


@UNIT
@given(hosts(), st.integers(1, 10))
def test_more_capacity_never_lowers_a_growth(host: Host, more: int) -> None:
    before = host.grants()
    for wider in (host.but(vcpus=host.vcpus + more), host.but(vcpus=None)):
        after = wider.grants()
        for request in host.asked:
            if before[request.domain].vcpus > request.current:
                assert after[request.domain].vcpus >= before[request.domain].vcpus


@UNIT
@given(hosts())
def test_where_all_would_settle_is_within_capacity_and_moves_nobody_any_more(host: Host) -> None:
    asked = [replace(request, ready=True, yielding=0) for request in host.asked]
    capacity = replace(host.capacity, changes_left=UNHURRIED)
    end = settled(asked, capacity)
    assert capacity.vcpus is not None
    used = sum(request.current for request in asked)
    assert sum(grant.vcpus for grant in end.values()) <= max(used, capacity.vcpus)
    there = [replace(request, current=end[request.domain].vcpus) for request in asked]
    assert arbitrate(there, capacity) == end
    for request in asked:
        fewest = min(request.current, request.want, request.floor)
        assert fewest <= end[request.domain].vcpus <= max(request.current, request.want)


@UNIT
@given(hosts(calm=True))
def test_room_goes_vcpu_by_vcpu_to_whoever_is_first_in_line(host: Host) -> None:
    size = {request.domain: request.current for request in host.asked}

    def place(request: Request) -> tuple[bool, int, float, str]:
        has = size[request.domain]
        return has >= request.floor, -request.priority, has / request.weight, request.domain.uuid

    for _ in range(host.vcpus - host.used):
        line = [request for request in host.asked if size[request.domain] < request.want]
        if line:
            size[min(line, key=place).domain] += 1

    grants = host.grants()
    for request in host.asked:
        if request.want > request.current and not taken(grants[request.domain]):
            assert grants[request.domain].vcpus == size[request.domain]


@UNIT
@given(hosts(calm=True))
def test_nobody_grows_above_its_minimum_while_a_higher_priority_stays_short(host: Host) -> None:
    grants = host.grants()
    for high in host.asked:
        short_of = min(high.floor, high.want) if grants[high.domain].vcpus < high.floor else high.want
        for low in host.asked:
            grown = low.priority < high.priority and grants[low.domain].vcpus > low.current
            if grown and grants[high.domain].vcpus < short_of:
                assert grants[low.domain].vcpus <= low.floor
                assert grants[high.domain].vcpus >= high.floor


@UNIT
@given(hosts())
def test_vcpus_are_taken_from_the_lowest_priority_and_only_for_a_higher_one(host: Host) -> None:
    grants = host.grants()
    losers = [request.priority for request in host.asked if taken(grants[request.domain])]
    short = [r.priority for r in host.asked if r.want > r.current and grants[r.domain].vcpus < r.want]
    spared = [r.priority for r in host.asked if may_give(r) and not taken(grants[r.domain])]
    if losers:
        assert max(losers) < max(short)
        assert max(losers) <= min(spared, default=max(losers))


@UNIT
@given(hosts(calm=True))
def test_no_more_are_taken_than_stay_short_once_what_is_being_freed_is_there(host: Host) -> None:
    losers = [request for request in host.asked if taken(host.grants()[request.domain])]
    if not losers:
        return
    later = [
        replace(r, current=min(r.want, r.current), yielding=0, yields=False)
        if r.ready and r.want < r.current
        else replace(r, current=r.current - r.yielding, want=r.want - r.yielding, yielding=0, yields=False)
        for r in host.asked
    ]
    grants = replace(host, asked=later).grants()
    lowest = min(loser.priority for loser in losers)
    above = [request for request in later if request.priority > lowest]
    assert len(losers) <= sum(max(0, r.want - grants[r.domain].vcpus) for r in above)


@dataclass
class Room:
    """A host whose domains do what they are granted, each change after a while, until nothing moves."""

    capacity: Capacity
    domains: list[Request]
    """`want` is what each needs for good; `current` is what it runs."""
    grows_in: int
    """Rounds from a grant until the guest has followed."""
    shrinks_in: int
    step: int
    """The most vCPUs by which one growth may be asked for; a shrink is by one."""
    under_way: dict[DomainId, tuple[int, int]] = field(default_factory=dict)
    """The round in which a change ends, and the size after it."""
    moves: list[tuple[DomainId, int]] = field(default_factory=list)

    def settle(self) -> list[Request]:
        """Go on until nothing is under way and nothing begins; return what the domains run then."""
        for number in range(500):
            self.follow(number)
            if not self.begin(number) and not self.under_way:
                return self.domains
        raise AssertionError(f"this never comes to rest: {self.moves[-20:]}")

    def follow(self, number: int) -> None:
        for place, domain in enumerate(self.domains):
            ends, after = self.under_way.get(domain.domain, (None, 0))
            if ends == number:
                del self.under_way[domain.domain]
                self.domains[place] = replace(domain, current=after)

    def begin(self, number: int) -> int:
        """Ask, and do what is granted; return how many changes began."""
        asked = [self.request(domain) for domain in self.domains]
        grants = arbitrate(asked, self.capacity)
        self.never_beyond(asked, grants)
        begun = [r for r in asked if r.ready and grants[r.domain].vcpus != r.current]
        for request in begun:
            by = grants[request.domain].vcpus - request.current
            ends = number + (self.grows_in if by > 0 else self.shrinks_in)
            self.under_way[request.domain] = (ends, request.current + by)
            self.moves.append((request.domain, by))
        return len(begun)

    def request(self, domain: Request) -> Request:
        moving = domain.domain in self.under_way
        _, after = self.under_way.get(domain.domain, (0, domain.current))
        counts = max(domain.current, after)
        least = counts if moving else domain.current - 1
        return replace(
            domain,
            current=counts,
            want=min(max(domain.want, least), counts + self.step),
            ready=not moving,
            yields=not moving,
            yielding=counts - after,
        )

    def never_beyond(self, asked: Sequence[Request], grants: dict[DomainId, Grant]) -> None:
        """Even where every growth succeeds and no shrink does, the host stays within its limit."""
        assert self.capacity.vcpus is not None
        worst = sum(max(request.current, grants[request.domain].vcpus) for request in asked)
        assert worst <= max(self.capacity.vcpus, sum(request.current for request in asked))


@st.composite
def rooms(draw: st.DrawFn) -> Room:
    """Domains whose needs stay the same, and that give whatever they may."""
    drawn = [draw(requests(number)) for number in range(draw(st.integers(1, 5)))]
    domains = [
        replace(one, yields=True, yielding=0, ready=True, want=max(one.want, one.floor)) for one in drawn
    ]
    changes = draw(st.sampled_from([1, 2, UNHURRIED]))
    vcpus = max(0, sum(one.current for one in domains) + draw(st.integers(-3, 6)))
    capacity = Capacity(vcpus=vcpus, pressed="", changes_left=changes)
    return Room(
        capacity,
        domains,
        grows_in=draw(st.integers(1, 3)),
        shrinks_in=draw(st.integers(1, 3)),
        step=draw(st.sampled_from([1, 2, 100])),
    )


def turns(room: Room, domain: Request) -> int:
    """How often a domain moved one way and then the other."""
    moves = [by for who, by in room.moves if who == domain.domain]
    return sum(one * other < 0 for one, other in pairwise(moves))


@LONG
@given(rooms())
def test_needs_that_stay_the_same_come_to_rest_by_priority(room: Room) -> None:
    found = room.settle()
    assert room.capacity.vcpus is not None
    free = room.capacity.vcpus - sum(domain.current for domain in found)
    for high in found:
        assert high.current <= high.want
        if high.current < high.want:
            assert free <= 0
            assert all(low.current <= low.floor for low in found if low.priority < high.priority)


@LONG
@given(rooms())
def test_no_domain_is_moved_to_and_fro(room: Room) -> None:
    """It may grow, give way to one that needed longer to grow, and regain what another gave up late."""
    for domain in room.settle():
        assert turns(room, domain) <= 2, room.moves


@LONG
@given(rooms())
def test_where_nobody_gives_up_freely_who_was_taken_from_does_not_grow_again(room: Room) -> None:
    """What was taken is for the one that it was taken for, though that may be busy with its last growth.

    With a third priority it could: what it gave to the first, it takes from the third.
    """
    room.domains = [
        replace(one, want=max(one.want, one.current), priority=max(one.priority, 100)) for one in room.domains
    ]
    for domain in room.settle():
        assert turns(room, domain) <= 1, room.moves


@LONG
@given(st.integers(2, 6), st.integers(1, 3), st.integers(2, 60), WEIGHTS)
def test_domains_alike_end_with_as_much_and_others_by_their_weight(
    count: int, floor: int, vcpus: int, weight: float
) -> None:
    """All want more than there is; the first one's weight differs."""
    domains = [
        Request(
            domain=DomainId("host", f"{number}"),
            current=1,
            want=1000,
            floor=floor,
            priority=100,
            weight=weight if number == 0 else 1.0,
            yields=True,
            yielding=0,
        )
        for number in range(count)
    ]
    capacity = Capacity(vcpus=vcpus, pressed="", changes_left=UNHURRIED)
    room = Room(capacity, domains, grows_in=1, shrinks_in=1, step=1000)
    odd, *alike = [domain.current for domain in room.settle()]
    assert odd + sum(alike) == max(vcpus, count)
    assert max(alike) - min(alike) <= 1
    if min(odd, *alike) > floor:
        assert all(abs(odd - weight * other) <= max(1.0, weight) for other in alike)
