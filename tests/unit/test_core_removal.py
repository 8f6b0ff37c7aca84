"""A removal step by step: what is done next, and what comes of each answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.acpi import SlotReport, SlotReports
from autoscaler.core.backoff import LONGEST_S
from autoscaler.core.condition import Condition
from autoscaler.core.deadlines import Deadlines, DeadlineSettings, Stage
from autoscaler.core.model import DomainView, GuestVcpu, GuestVcpus
from autoscaler.core.operation import Direction, LookAtGuest, Operation, Outcome, Requested, Unplug, Wait
from autoscaler.core.reason import Reason
from autoscaler.core.removal import Removal
from tests.fakes.examples import DECISION, VIEW, guest_vcpus

FULL = replace(VIEW, plugged=3, slots=frozenset({0, 1, 2}))
LESS = replace(VIEW, plugged=2, slots=frozenset({0, 1}))
UNPLUG = replace(DECISION, plugged=3, online=2, act=True, unplug_to=2, reason=Reason.IDLE)
GONE_S = Deadlines().of(Stage.GONE)


def at(view: DomainView, at_s: float, *reports: SlotReport) -> DomainView:
    """A view of this time, with these reports of slot 2."""
    found = SlotReports(last=dict.fromkeys([2], reports[-1])) if reports else SlotReports()
    return replace(view, at_s=at_s, reports=found)


def begun(view: DomainView = FULL, deadlines: Deadlines | None = None) -> Removal:
    removal = Removal(view, deadlines or Deadlines())
    removal.begin(UNPLUG, 7, 100.0)
    return removal


def handed_out(removal: Removal, now_s: float) -> LookAtGuest | Unplug:
    action = removal.next_action(now_s)
    assert isinstance(action, LookAtGuest | Unplug)
    removal.started(action)
    return action


def asked(deadlines: Deadlines | None = None) -> Removal:
    """A removal that the hypervisor has taken at 100.2."""
    removal = begun(deadlines=deadlines)
    handed_out(removal, 100.0)
    removal.guest_shows(guest_vcpus(present=3, online=2), 100.1)
    handed_out(removal, 100.1)
    removal.requested(Requested(2), 100.2)
    return removal


def only_closed(removal: Removal) -> Operation:
    (operation,) = removal.take_closed()
    return operation


def test_the_guest_is_looked_at_before_it_is_asked_and_then_only_waited_for() -> None:
    removal = begun()
    assert handed_out(removal, 100.0) == LookAtGuest()
    assert removal.next_action(100.0) is None
    removal.guest_shows(guest_vcpus(present=3, online=2), 100.1)
    assert handed_out(removal, 100.1) == Unplug(expect=3, target=2)
    removal.requested(Requested(2), 100.2)
    assert removal.next_action(150.0) is None
    assert removal.observed(at(LESS, 101.0), 101.0)

    operation = only_closed(removal)
    assert (operation.direction, operation.outcome) == (Direction.UNPLUG, Outcome.DONE)
    assert operation.stages_s() == pytest.approx({"offlined": 0.1, "requested": 0.2, "gone": 1.0})
    assert removal.last_change_s == 101.0


def test_a_guest_that_runs_the_vcpu_again_is_not_asked_for_it() -> None:
    removal = begun()
    handed_out(removal, 100.0)
    removal.guest_shows(guest_vcpus(present=3, online=3), 100.1)

    assert only_closed(removal).outcome is Outcome.CONFLICT
    assert removal.conditions == {}
    assert removal.obstacle(100.1) is None


def test_a_vcpu_that_runs_while_a_lower_one_is_offline_is_not_asked_for() -> None:
    removal = begun()
    handed_out(removal, 100.0)
    removal.guest_shows(
        GuestVcpus(
            tuple(GuestVcpu(logical_id=number, online=number != 1, can_offline=True) for number in range(3))
        ),
        100.1,
    )

    assert only_closed(removal).outcome is Outcome.FAILED
    assert "a lower one is offline" in removal.conditions[Condition.NOT_GIVEN_BACK]
    assert removal.obstacle(100.2) is Reason.BACK_OFF


def test_a_guest_that_does_not_answer_is_asked_again_ever_more_rarely() -> None:
    removal, now_s, gaps = begun(), 100.0, []
    for _ in range(5):
        handed_out(removal, now_s)
        removal.unknown("the agent is silent", now_s, lost=False)
        wait = removal.next_action(now_s)
        assert isinstance(wait, Wait)
        gaps.append(wait.until_s - now_s)
        now_s = wait.until_s

    assert gaps == pytest.approx([1.0, 2.0, 4.0, 8.0, 8.0])


def test_an_acknowledgement_is_a_stage_and_no_end() -> None:
    removal = asked()
    removal.observed(at(FULL, 101.0, SlotReport(source=0x103, status=0x84, at_s=100.8)), 101.0)

    assert removal.operation is not None
    assert removal.operation.stages_s()["acknowledged"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(SlotReport(source=0x103, status=0x80, at_s=99.0), id="of an earlier request"),
        pytest.param(SlotReport(source=0x01, status=0x80, at_s=100.8), id="of a plug"),
    ],
)
def test_a_report_of_something_else_is_not_taken_for_an_answer(report: SlotReport) -> None:
    removal = asked()
    removal.observed(at(FULL, 101.0, report), 101.0)

    assert removal.operation is not None
    assert "acknowledged" not in removal.operation.stages_s()


def test_a_guest_that_is_heard_before_the_reply_is_waited_for_from_then_on() -> None:
    removal = begun()
    handed_out(removal, 100.0)
    removal.guest_shows(guest_vcpus(present=3, online=2), 100.1)
    handed_out(removal, 100.1)
    removal.unknown("the link broke", 100.2, lost=True)
    offline_s = Deadlines().of(Stage.OFFLINE)
    heard_s = 100.0 + offline_s - 1.0
    report = SlotReport(source=0x103, status=0x84, at_s=heard_s)
    removal.observed(at(FULL, heard_s, report), heard_s)

    removal.observed(at(FULL, heard_s + GONE_S - 0.5, report), heard_s + GONE_S - 0.5)
    assert removal.operation is not None, "all of the time to give it back counts from the acknowledgement"
    removal.observed(at(FULL, heard_s + GONE_S + 0.5, report), heard_s + GONE_S + 0.5)
    assert only_closed(removal).outcome is Outcome.STUCK


def test_a_refusal_backs_off_for_its_slot_only() -> None:
    removal = asked()
    removal.observed(at(FULL, 101.0, SlotReport(source=0x103, status=0x82, at_s=100.8)), 101.0)

    assert only_closed(removal).outcome is Outcome.REFUSED
    assert "busy" in removal.conditions[Condition.NOT_GIVEN_BACK]
    assert removal.obstacle(102.0) is Reason.BACK_OFF
    assert removal.obstacle(101.0 + 73.0) is None
    removal.observed(replace(VIEW, plugged=4, slots=frozenset({0, 1, 2, 3}), at_s=102.0), 102.0)
    assert removal.obstacle(102.0) is None, "the highest slot is another"


def test_each_refusal_of_a_slot_is_remembered_longer() -> None:
    removal, now_s, waits = Removal(FULL, Deadlines()), 100.0, []
    for _ in range(8):
        removal.begin(UNPLUG, 7, now_s)
        handed_out(removal, now_s)
        removal.guest_shows(guest_vcpus(present=3, online=2), now_s)
        handed_out(removal, now_s)
        removal.requested(Requested(2), now_s)
        removal.observed(at(FULL, now_s, SlotReport(source=0x103, status=0x82, at_s=now_s)), now_s)
        waits.append(next(s for s in range(1, 5000) if removal.obstacle(now_s + s) is None))
        now_s += waits[-1]

    assert waits[0] <= 72
    assert 2880 <= waits[-1] <= 4320


def test_a_removal_that_nobody_follows_is_stuck_and_may_still_come_true() -> None:
    removal = asked()
    removal.observed(at(FULL, 100.2 + GONE_S), 100.2 + GONE_S)
    assert removal.operation is not None
    removal.observed(at(FULL, 100.4 + GONE_S), 100.4 + GONE_S)
    assert only_closed(removal).outcome is Outcome.STUCK
    assert Condition.NOT_GIVEN_BACK in removal.conditions

    assert removal.observed(at(LESS, 500.0), 500.0), "it is ours, however late"
    assert removal.conditions == {}
    assert removal.obstacle(500.0) is None


def test_a_host_whose_guests_give_back_late_is_given_more_time() -> None:
    deadlines = Deadlines(DeadlineSettings(gone_s=10.0))
    for _ in range(20):
        removal = asked(deadlines)
        removal.observed(at(FULL, 115.0), 115.0)
        assert only_closed(removal).outcome is Outcome.STUCK
        removal.observed(at(LESS, 120.2), 120.2)

    assert deadlines.of(Stage.GONE) == pytest.approx(40.0, rel=0.05)


def test_a_request_that_does_not_come_back_is_said_though_it_cannot_be_taken_back() -> None:
    removal = begun()
    handed_out(removal, 100.0)
    removal.guest_shows(guest_vcpus(present=3, online=2), 100.1)
    handed_out(removal, 100.1)
    removal.observed(at(FULL, 140.0), 140.0)

    assert "has not come back" in removal.conditions[Condition.NOT_GIVEN_BACK]
    removal.requested(Requested(2), 141.0)
    assert removal.conditions == {}


def test_a_lost_answer_is_looked_at_before_the_guest_is_asked_again() -> None:
    removal = begun()
    handed_out(removal, 100.0)
    removal.guest_shows(guest_vcpus(present=3, online=2), 100.1)
    handed_out(removal, 100.1)
    removal.unknown("the link broke", 100.2, lost=True)
    assert isinstance(removal.next_action(100.3), Wait)
    assert removal.next_action(105.0) is None
    assert set(removal.conditions) == {Condition.UNKNOWN}
    removal.observed(at(FULL, 106.0), 106.0)
    assert removal.conditions == {}
    assert removal.next_action(106.0) == Unplug(expect=3, target=2)


def test_a_removal_that_a_growth_ended_is_not_called_unknown() -> None:
    removal = begun()
    handed_out(removal, 100.0)
    removal.guest_shows(guest_vcpus(present=3, online=2), 100.1)
    handed_out(removal, 100.1)
    removal.unknown("the link broke", 100.2, lost=True)
    removal.give_way()
    assert removal.conditions == {}


def test_a_vcpu_that_goes_while_the_hypervisor_waits_for_it_is_ours() -> None:
    removal = begun()
    handed_out(removal, 100.0)
    removal.guest_shows(guest_vcpus(present=3, online=2), 100.1)
    handed_out(removal, 100.1)

    assert removal.observed(at(LESS, 101.0), 101.0)
    assert only_closed(removal).outcome is Outcome.DONE
    removal.requested(Requested(2), 102.0)
    assert not removal.observed(at(replace(VIEW, plugged=1, slots=frozenset({0})), 103.0), 103.0)


def test_a_vcpu_that_was_asked_for_explains_that_the_guest_runs_fewer() -> None:
    removal = asked()

    assert removal.explains(frozenset({0, 1, 2}), frozenset({0, 1}))
    assert not removal.explains(frozenset({0, 1, 2}), frozenset({0, 2})), "another one went offline"
    assert not removal.explains(frozenset({0, 1}), frozenset({0, 1, 2})), "one came online"
    assert not removal.explains(None, frozenset({0}))


def test_what_was_denied_was_not_asked_for() -> None:
    removal = begun()
    handed_out(removal, 100.0)
    removal.guest_shows(guest_vcpus(present=3, online=2), 100.1)
    handed_out(removal, 100.1)
    removal.failed(Outcome.DENIED, "no vCPU can go", 100.2)
    assert removal.obstacle(100.3) is Reason.DENIED
    assert set(removal.conditions) == {Condition.DENIED}

    assert not removal.observed(at(LESS, 101.0), 101.0)
    assert removal.obstacle(101.0) is None, "the domain is another"
    assert removal.conditions == {}


def test_a_denial_of_a_run_before_stands_and_leaves_its_vcpu_not_asked_for() -> None:
    removal = Removal(FULL, Deadlines())
    removal.inherit(
        Operation(
            decision_id=1,
            from_vcpus=3,
            to_vcpus=2,
            reason=Reason.IDLE,
            requested_s=100.0,
            unplugs=True,
            outcome=Outcome.DENIED,
        ),
        100.5,
    )
    assert removal.obstacle(100.0 + LONGEST_S - 1.0) is Reason.DENIED
    assert not removal.observed(at(LESS, 101.0), 101.0)
    assert removal.obstacle(101.0) is None


SLOTS = frozenset({0, 1, 2, 3, 4, 5})
EARLIER = Operation(
    decision_id=1,
    from_vcpus=5,
    to_vcpus=4,
    reason=Reason.IDLE,
    requested_s=100.0,
    unplugs=True,
    outcome=Outcome.SUPERSEDED,
)


@pytest.mark.parametrize(
    ("past", "went", "ours"),
    [
        pytest.param([EARLIER], {4}, 1, id="the one that was the highest then"),
        pytest.param([EARLIER], {5}, 1, id="a higher one, if a lower slot was empty then"),
        pytest.param([EARLIER], {3}, 0, id="one that was not the highest"),
        pytest.param([EARLIER], {4, 5}, 1, id="one more than was asked for"),
        pytest.param([EARLIER, replace(EARLIER, from_vcpus=4)], {3, 4}, 1, id="asked when less was plugged"),
        pytest.param([replace(EARLIER, from_vcpus=4), EARLIER], {3, 4}, 2, id="two were asked for"),
        pytest.param([EARLIER, replace(EARLIER, gone_s=101.0)], {4}, 0, id="it went"),
        pytest.param([replace(EARLIER, outcome=Outcome.DENIED)], {4}, 0, id="denied"),
        pytest.param([replace(EARLIER, from_vcpus=8)], {5}, 0, id="of a slot that is empty"),
    ],
)
def test_a_request_of_a_run_before_is_good_for_one_vcpu_that_can_have_been_the_highest_then(
    past: list[Operation], went: set[int], ours: int
) -> None:
    view = replace(VIEW, plugged=6, maximum=8, slots=SLOTS)
    removal = Removal(view, Deadlines())
    for operation in past:
        removal.inherit(operation, 100.5)
    assert removal.explains(SLOTS, SLOTS - went) is (ours == len(went))
    left = replace(view, plugged=6 - len(went), slots=SLOTS - went, at_s=101.0)
    assert removal.observed(left, 101.0) == ours
    assert removal.observed(replace(left, at_s=102.0), 102.0) == 0
    assert removal.explains(SLOTS, SLOTS - went) is (ours == len(went)), "the guest may tell later"


def test_growth_ends_a_removal_and_a_late_eject_stays_ours() -> None:
    removal = asked()
    removal.give_way()

    assert only_closed(removal).outcome is Outcome.SUPERSEDED
    assert removal.observed(at(LESS, 500.0), 500.0)


def test_nobody_sees_the_end_of_a_removal_of_a_domain_that_stops() -> None:
    removal = asked()
    removal.abandon("the domain stopped")
    removal.abandon("the domain stopped")

    assert only_closed(removal).outcome is Outcome.ABANDONED


def test_a_deadline_follows_what_is_seen_within_bounds() -> None:
    deadlines = Deadlines(DeadlineSettings(gone_s=60.0))
    for _ in range(19):
        deadlines.note(Stage.GONE, 1.0)
    assert deadlines.of(Stage.GONE) == 60.0, "too few were seen"
    deadlines.note(Stage.GONE, 1.0)
    assert deadlines.of(Stage.GONE) == 15.0, "never below a quarter"
    for _ in range(10):
        deadlines.note(Stage.GONE, 50.0)
    assert deadlines.of(Stage.GONE) == 100.0, "twice what 99 of 100 took"
    for _ in range(400):
        deadlines.note(Stage.GONE, 500.0)
    assert deadlines.of(Stage.GONE) == 240.0, "never above four times"


def test_a_change_teaches_the_deadline_of_its_own_stage() -> None:
    deadlines = Deadlines()
    grown = Operation(
        decision_id=1,
        from_vcpus=1,
        to_vcpus=2,
        reason=Reason.DEMAND_HIGH,
        requested_s=0.0,
        accepted_s=1.0,
        present_s=12.0,
        online_s=20.0,
        relieved_s=30.0,
    )
    for _ in range(20):
        deadlines.note_all(grown)
        deadlines.note_all(replace(grown, online_s=None, present_s=None, accepted_s=None))

    assert deadlines.in_force_s == {
        "accepted": 2.5,
        "present": 24.0,
        "online": 40.0,
        "relieved": 20.0,
        "offline": 30.0,
        "gone": 60.0,
    }


def grown_again(removal: Removal, listed: int) -> Unplug | Wait | LookAtGuest | None:
    """What is asked for when a growth begins and finds the guest listing so many vCPUs."""
    removal.give_way()
    removal.growth_finds(listed)
    return removal.next_action(200.0)  # type: ignore[return-value]


def test_a_vcpu_that_the_guest_let_go_unheard_of_is_asked_for_once_more_in_a_growth() -> None:
    removal = asked()
    assert grown_again(removal, 2) == Unplug(expect=3, target=2)
    handed_out(removal, 200.0)
    removal.failed(Outcome.FAILED, "the link broke", 200.1)
    removal.growth_finds(2)
    assert removal.next_action(200.2) is None
    assert removal.observed(at(LESS, 201.0), 201.0), "it is ours all the same"

    assert grown_again(removal, 1) is None, "the highest that is left was never asked for"


def test_a_growth_whose_guest_lists_all_vcpus_asks_for_none() -> None:
    assert grown_again(asked(), 3) is None
