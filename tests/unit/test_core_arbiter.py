"""The arbiter: who grows, who waits, who gives, and what each is told."""

from __future__ import annotations

import pytest

from autoscaler.core.arbiter import Capacity, Grant, Request, arbitrate, host_vcpus
from autoscaler.core.model import DomainId
from autoscaler.core.reason import Reason


def asks(  # noqa: PLR0913 - one keyword for each fact of a request
    name: str,
    current: int,
    want: int,
    *,
    floor: int = 1,
    priority: int = 100,
    weight: float = 1.0,
    yields: bool = False,
    yielding: int = 0,
    ready: bool = True,
) -> Request:
    return Request(
        domain=DomainId("host", name),
        name=name,
        current=current,
        want=want,
        floor=floor,
        priority=priority,
        weight=weight,
        yields=yields,
        yielding=yielding,
        ready=ready,
    )


def answers(
    *requests: Request, vcpus: int | None = 8, pressed: str = "", changes_left: int = 99
) -> dict[str, Grant]:
    capacity = Capacity(vcpus=vcpus, pressed=pressed, changes_left=changes_left)
    return {domain.uuid: grant for domain, grant in arbitrate(requests, capacity).items()}


def sizes(
    *requests: Request, vcpus: int | None = 8, pressed: str = "", changes_left: int = 99
) -> dict[str, int]:
    given = answers(*requests, vcpus=vcpus, pressed=pressed, changes_left=changes_left)
    return {name: grant.vcpus for name, grant in given.items()}


def test_a_host_bears_its_cpus_times_the_ratio_less_the_reserve() -> None:
    assert host_vcpus(16, overcommit=4.0, reserve=3) == 61
    assert host_vcpus(3, overcommit=1.5, reserve=0) == 4
    assert host_vcpus(100, overcommit=0.29, reserve=0) == 29
    assert host_vcpus(2, overcommit=1.0, reserve=9) == 0


def test_what_fits_is_granted_as_asked() -> None:
    assert answers(asks("a", 1, 2), asks("b", 4, 2), asks("c", 2, 2)) == {
        "a": Grant(vcpus=2),
        "b": Grant(vcpus=2),
        "c": Grant(vcpus=2),
    }


def test_nobody_asks_of_a_host_without_domains() -> None:
    assert answers() == {}


def test_a_host_whose_size_is_not_known_has_no_limit() -> None:
    assert sizes(asks("a", 1, 500), vcpus=None) == {"a": 500}


def test_what_one_gives_up_is_not_handed_on_before_it_is_gone() -> None:
    assert sizes(asks("a", 4, 6), asks("b", 4, 2)) == {"a": 4, "b": 2}


def test_minimums_are_served_before_anything_above_them_whatever_the_priority() -> None:
    low, high = asks("low", 1, 4, floor=3), asks("high", 4, 8, priority=900)
    assert sizes(low, high, vcpus=7) == {"low": 3, "high": 4}
    assert sizes(low, high, vcpus=8) == {"low": 3, "high": 5}


def test_below_the_minimums_the_higher_priority_comes_first() -> None:
    low, high = asks("low", 1, 3, floor=3), asks("high", 1, 3, floor=3, priority=900)
    assert sizes(low, high, vcpus=3) == {"low": 1, "high": 2}


def test_above_the_minimums_the_higher_priority_takes_all_it_needs_first() -> None:
    assert sizes(asks("low", 2, 6), asks("high", 2, 5, priority=101)) == {"low": 3, "high": 5}


def test_within_a_priority_the_smallest_for_its_weight_grows_first() -> None:
    assert sizes(asks("a", 1, 9), asks("b", 4, 9), vcpus=9) == {"a": 5, "b": 4}
    assert sizes(asks("a", 1, 9), asks("b", 1, 9, weight=3.0), vcpus=8) == {"a": 2, "b": 6}


def test_who_needs_little_leaves_its_share_to_the_others() -> None:
    assert sizes(asks("a", 1, 2), asks("b", 1, 9), asks("c", 1, 9), vcpus=10) == {"a": 2, "b": 4, "c": 4}


def test_the_last_vcpu_goes_by_identity() -> None:
    assert sizes(asks("b", 3, 4), asks("a", 3, 4), vcpus=7) == {"a": 4, "b": 3}


def test_who_gets_less_than_it_asks_is_told_the_figures() -> None:
    given = answers(asks("a", 3, 6), asks("b", 3, 6), asks("c", 1, 1, yielding=1))
    figures = "the host has 1 of 8 vCPUs left; this domain gets"
    soon = "; 1 more will be free soon"
    assert given["a"] == Grant(
        vcpus=4, reason=Reason.HOST_FULL, detail=f"{figures} 1 of the 3 more that it needs{soon}"
    )
    assert given["b"] == Grant(
        vcpus=3, reason=Reason.HOST_FULL, detail=f"{figures} 0 of the 3 more that it needs{soon}"
    )


def test_on_a_host_that_runs_too_much_nobody_grows_and_nobody_shrinks_for_that_alone() -> None:
    given = answers(asks("a", 6, 8), asks("b", 6, 6, yields=True))
    assert given["b"] == Grant(vcpus=6)
    assert given["a"] == Grant(
        vcpus=6,
        reason=Reason.HOST_FULL,
        detail="the host's domains have 12 vCPUs where 8 are the limit; "
        "this domain gets 0 of the 2 more that it needs",
    )


def test_a_pressed_host_lets_nobody_grow_but_everybody_shrink() -> None:
    given = answers(asks("a", 1, 2, floor=2, priority=900), asks("b", 3, 1), pressed="why")
    assert given == {"a": Grant(vcpus=1, reason=Reason.HOST_PRESSED, detail="why"), "b": Grant(vcpus=1)}


def test_a_growth_under_way_keeps_what_it_needs_next_from_others() -> None:
    still_growing = asks("a", 4, 8, priority=900, ready=False)
    assert sizes(still_growing, asks("b", 2, 4)) == {"a": 6, "b": 2}


class TestTakingBack:
    def test_one_vcpu_is_taken_and_its_loser_told_for_whom(self) -> None:
        given = answers(asks("db", 2, 3, priority=200), asks("batch", 6, 6, yields=True))
        assert given["batch"] == Grant(
            vcpus=5,
            reason=Reason.TAKEN_BACK,
            detail="db of priority 200 has 2 of the 3 vCPUs that it needs",
        )
        assert given["db"].vcpus == 2

    def test_a_taker_without_a_name_is_told_by_its_uuid(self) -> None:
        taker = Request(
            domain=DomainId("host", "6695eb01-f6a4-8304-79aa-97f2502e193f"),
            current=2,
            want=3,
            floor=1,
            priority=200,
            weight=1.0,
            yields=False,
            yielding=0,
        )
        assert answers(taker, asks("batch", 6, 6, yields=True))["batch"].detail.startswith("6695eb01-")

    def test_nothing_is_taken_while_there_is_room(self) -> None:
        assert sizes(asks("db", 2, 4, priority=200), asks("batch", 4, 4, yields=True)) == {
            "db": 4,
            "batch": 4,
        }

    def test_each_gives_one_at_most_and_no_more_give_than_are_needed(self) -> None:
        small = [asks(name, 2, 2, yields=True) for name in "abc"]
        assert sizes(asks("db", 2, 4, priority=200), *small) == {"db": 2, "a": 1, "b": 1, "c": 2}
        one = asks("a", 6, 6, yields=True)
        assert sizes(asks("db", 2, 7, priority=200), one) == {"db": 2, "a": 5}

    def test_who_is_below_its_minimum_counts_once(self) -> None:
        small = [asks(name, 2, 2, yields=True) for name in "abcd"]
        after = sizes(asks("db", 1, 3, floor=3, priority=200), *small, vcpus=9)
        assert after == {"db": 1, "a": 1, "b": 1, "c": 2, "d": 2}

    def test_the_lowest_priority_gives_first_then_the_largest_for_its_weight(self) -> None:
        def loser(*givers: Request) -> list[str]:
            used = sum(giver.current for giver in givers)
            after = sizes(asks("z", 1, 2, priority=200), *givers, vcpus=used + 1)
            return [giver.name for giver in givers if after[giver.name] < giver.current]

        assert loser(asks("a", 8, 8, yields=True), asks("b", 2, 2, yields=True, priority=50)) == ["b"]
        assert loser(asks("a", 3, 3, yields=True), asks("b", 4, 4, yields=True)) == ["b"]
        assert loser(asks("a", 3, 3, yields=True), asks("b", 4, 4, yields=True, weight=2.0)) == ["a"]
        assert loser(asks("b", 3, 3, yields=True), asks("a", 3, 3, yields=True)) == ["a"]

    @pytest.mark.parametrize(
        "spared",
        [
            pytest.param(asks("b", 6, 6), id="may not shrink"),
            pytest.param(asks("b", 6, 6, yields=True, floor=6), id="at its minimum"),
            pytest.param(asks("b", 6, 6, yields=True, priority=200), id="of the same priority"),
            pytest.param(asks("b", 6, 6, yields=True, priority=300), id="of a higher priority"),
            pytest.param(asks("b", 6, 5, yields=True), id="giving already"),
        ],
    )
    def test_some_are_spared(self, spared: Request) -> None:
        given = answers(asks("db", 2, 3, priority=200), spared)
        assert given["b"] == Grant(vcpus=spared.want)

    def test_what_is_being_freed_already_is_not_taken_twice(self) -> None:
        db, batch = asks("db", 2, 4, priority=200), asks("batch", 3, 3, yields=True)
        assert sizes(db, batch, asks("x", 3, 3, yielding=1))["batch"] == 2
        assert sizes(db, batch, asks("x", 3, 3, yielding=2))["batch"] == 3
        assert sizes(db, batch, asks("x", 3, 1))["batch"] == 3

    def test_what_is_freed_goes_first_to_bring_the_host_within_its_limit(self) -> None:
        db, batch = asks("db", 2, 3, priority=200), asks("batch", 4, 4, yields=True)
        freeing = asks("x", 4, 4, yielding=2)
        assert sizes(db, batch, freeing)["batch"] == 3
        assert sizes(db, batch, freeing, vcpus=9)["batch"] == 4

    def test_who_asks_for_more_itself_gives_too(self) -> None:
        given = answers(asks("db", 2, 3, priority=200), asks("batch", 6, 9, yields=True))
        assert (given["batch"].vcpus, given["batch"].reason) == (5, Reason.TAKEN_BACK)

    def test_room_is_made_on_a_pressed_host_too(self) -> None:
        given = answers(asks("db", 2, 3, priority=200), asks("batch", 6, 6, yields=True), pressed="why")
        assert given["db"].reason is Reason.HOST_PRESSED
        assert given["batch"].reason is Reason.TAKEN_BACK

    def test_pressure_alone_takes_nothing(self) -> None:
        given = sizes(asks("db", 2, 3, priority=200), asks("batch", 5, 5, yields=True), pressed="why")
        assert given == {"db": 2, "batch": 5}


class TestRate:
    def test_more_changes_than_may_begin_wait_and_are_told_so(self) -> None:
        given = answers(asks("a", 1, 2), asks("b", 1, 2), asks("c", 2, 1), changes_left=1)
        rate = Grant(vcpus=1, reason=Reason.HOST_RATE, detail="3 changes are due and 1 may begin now")
        assert given["a"] == Grant(vcpus=2)
        assert given["b"] == rate
        assert (given["c"].vcpus, given["c"].reason) == (2, Reason.HOST_RATE)

    def test_none_may_begin_where_none_are_left(self) -> None:
        assert sizes(asks("a", 1, 2), asks("b", 2, 1), changes_left=0) == {"a": 1, "b": 2}

    def test_growth_begins_in_the_order_of_serving(self) -> None:
        order = [
            asks("d", 1, 2, floor=2, priority=200),
            asks("c", 1, 2, floor=2),
            asks("b", 3, 4, priority=200),
            asks("e", 1, 2),
            asks("a", 2, 3),
        ]
        for count in range(len(order) + 1):
            after = sizes(*reversed(order), vcpus=99, changes_left=count)
            grown = [request.name for request in order if after[request.name] > request.current]
            assert grown == [request.name for request in order[:count]]

    def test_what_is_taken_back_comes_last(self) -> None:
        requests = [
            asks("db", 2, 4, priority=200),
            asks("a", 4, 4, yields=True),
            asks("b", 2, 1),
        ]
        assert sizes(*requests, changes_left=1) == {"db": 2, "a": 4, "b": 1}
        assert sizes(*requests, changes_left=2) == {"db": 2, "a": 3, "b": 1}

    def test_who_has_no_room_or_is_under_way_uses_up_no_change(self) -> None:
        full = asks("a", 4, 6, priority=50)
        under_way = asks("b", 1, 3, priority=200, ready=False)
        assert sizes(full, under_way, asks("c", 1, 2), vcpus=9, changes_left=1)["c"] == 2
