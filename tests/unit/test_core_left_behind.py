"""What becomes of changes whose service was killed: each is closed once, by what the next sees."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.left_behind import LATE_S, LeftBehind
from autoscaler.core.operation import Operation, Outcome
from autoscaler.core.reason import Reason

GROWTH = Operation(decision_id=1, from_vcpus=1, to_vcpus=3, reason=Reason.DEMAND_HIGH, requested_s=100.0)
SHRINK = replace(GROWTH, decision_id=2, from_vcpus=3, to_vcpus=1, requested_s=100.2)
REMOVAL = replace(GROWTH, decision_id=3, from_vcpus=3, to_vcpus=2, unplugs=True)
AT_S = 105.0


def left(*operations: Operation, at_s: float = AT_S) -> LeftBehind:
    behind = LeftBehind()
    for operation in operations:
        behind.add(operation, at_s)
    return behind


def test_a_change_that_is_found_made_is_done_once_and_its_times_teach_nothing() -> None:
    behind = left(GROWTH)
    assert behind.look(2, AT_S) == []
    (done,) = behind.look(3, AT_S + 1.0)
    assert (done.decision_id, done.outcome, done.online_s, done.held) == (1, Outcome.DONE, AT_S + 1.0, True)
    assert "found done" in done.detail
    assert behind.look(3, AT_S + 2.0) == []


def test_a_removal_is_done_when_the_vcpu_is_found_gone() -> None:
    behind = left(REMOVAL)
    assert behind.look(3, AT_S) == []
    (done,) = behind.look(2, AT_S + 1.0)
    assert (done.outcome, done.gone_s, done.held) == (Outcome.DONE, AT_S + 1.0, True)


def test_what_is_not_found_made_in_time_is_abandoned() -> None:
    behind = left(GROWTH)
    assert behind.look(1, GROWTH.requested_s + LATE_S - 1.0) == []
    (over,) = behind.look(1, GROWTH.requested_s + LATE_S)
    assert over.outcome is Outcome.ABANDONED
    assert over.detail


def test_a_service_that_was_away_for_long_still_looks_before_it_judges() -> None:
    for count, outcome in ((3, Outcome.DONE), (1, Outcome.ABANDONED)):
        late_s = GROWTH.requested_s + 10 * LATE_S
        behind = left(GROWTH, at_s=late_s)
        assert behind.look(None, late_s + 1.0) == []
        assert [closed.outcome for closed in behind.look(count, late_s + 2.0)] == [outcome]


def test_time_in_which_something_holds_the_domain_makes_no_change_older() -> None:
    behind = left(GROWTH)
    assert behind.look(1, GROWTH.requested_s + 10 * LATE_S, held=True) == []
    assert behind.may_bring(1, 3)
    assert behind.look(1, GROWTH.requested_s + 10.5 * LATE_S) == []
    (done,) = behind.look(3, GROWTH.requested_s + 10.6 * LATE_S)
    assert done.outcome is Outcome.DONE


def test_a_guest_that_is_never_seen_again_is_not_waited_for_without_end() -> None:
    behind = left(GROWTH)
    assert behind.look(None, AT_S + LATE_S - 1.0) == []
    assert [closed.outcome for closed in behind.look(None, AT_S + LATE_S)] == [Outcome.ABANDONED]


def test_what_is_overtaken_or_abandoned_may_come_true_all_the_same_and_is_closed_once() -> None:
    for behind, closed in (
        (both := left(GROWTH, SHRINK), both.overtake()),
        (both := left(GROWTH, SHRINK), both.abandon("it stopped")),
    ):
        assert [operation.outcome for operation in closed] == 2 * [Outcome.ABANDONED]
        assert not behind.open
        assert behind.overtake() == []
        assert behind.may_bring(1, 3)
        assert behind.look(3, AT_S) == []
        assert not behind.may_bring(1, 3)


def test_of_several_runs_that_were_killed_each_may_have_left_something() -> None:
    behind = left(GROWTH, SHRINK)
    assert behind.may_bring(1, 3)
    assert behind.may_bring(3, 1)
    assert [closed.decision_id for closed in behind.look(3, AT_S)] == [1]
    assert not behind.may_bring(1, 3)
    assert behind.may_bring(3, 1)


def test_what_is_on_record_as_abandoned_may_come_true_for_a_minute() -> None:
    abandoned = replace(GROWTH, outcome=Outcome.ABANDONED)
    behind = left(abandoned)
    assert behind.may_bring(1, 3)
    assert behind.look(1, GROWTH.requested_s + LATE_S) == []
    assert not behind.may_bring(1, 3)
    assert not left(abandoned, at_s=GROWTH.requested_s + LATE_S).may_bring(1, 3)
