"""The change under way: what is done next, what comes of each answer, and when it is given up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.actuation import Actuation
from autoscaler.core.condition import Condition
from autoscaler.core.deadlines import Deadlines, DeadlineSettings, Stage
from autoscaler.core.decision import Decision
from autoscaler.core.model import DomainView
from autoscaler.core.operation import Direction, Operation, Outcome, Plug, SetOnline, Wait
from autoscaler.core.reason import Reason
from tests.fakes.examples import GROWTH, LOAD, SHRINK, VIEW, guest_vcpus

DEADLINE_S = Deadlines().of(Stage.ONLINE)
RELIEF_S = Deadlines().of(Stage.RELIEVED)
WARM = replace(VIEW, plugged=3)
REST = replace(LOAD, at_s=110.0, span_s=1.0, busy_vcpus=0.5)


def begun(decision: Decision = GROWTH, view: DomainView = VIEW) -> Actuation:
    actuation = Actuation(view, Deadlines())
    actuation.begin(decision, 7, 100.0)
    return actuation


def handed_out(actuation: Actuation, now_s: float) -> Plug | SetOnline:
    action = actuation.next_action(now_s)
    assert isinstance(action, Plug | SetOnline)
    actuation.started(action)
    return action


def only_closed(actuation: Actuation) -> Operation:
    (operation,) = actuation.take_closed()
    return operation


def refused(outcome: Outcome, decision: Decision = GROWTH) -> Actuation:
    """An actuation whose plug came out badly at 100.1."""
    actuation = begun(decision)
    handed_out(actuation, 100.0)
    actuation.failed(outcome, "no", 100.1)
    return actuation


def test_nothing_is_done_where_nothing_was_begun() -> None:
    actuation = Actuation(VIEW, Deadlines())
    assert actuation.next_action(100.0) is None
    assert not actuation.busy
    assert actuation.obstacle(Direction.UP, 100.0) is None


def test_a_growth_plugs_what_is_missing_and_then_asks_the_guest() -> None:
    actuation = begun()
    assert handed_out(actuation, 100.0) == Plug(expect=1, target=3)
    assert actuation.next_action(100.0) is None
    actuation.plugged(100.1)
    assert handed_out(actuation, 100.1) == SetOnline(target=3)
    actuation.guest_shows(guest_vcpus(present=3, online=3), 100.3)
    assert not actuation.busy
    assert actuation.last_change_s == 100.3
    assert actuation.next_action(200.0) is None


@pytest.mark.parametrize("decision", [GROWTH, SHRINK], ids=["warm growth", "shrink"])
def test_a_change_that_needs_no_plug_only_asks_the_guest(decision: Decision) -> None:
    assert begun(decision, WARM).next_action(100.0) == SetOnline(target=decision.next_vcpus)


def test_a_guest_that_does_not_follow_yet_is_asked_again_ever_more_rarely() -> None:
    actuation, now_s, gaps = begun(view=WARM), 100.0, []
    for _ in range(8):
        handed_out(actuation, now_s)
        actuation.guest_shows(guest_vcpus(present=1, online=1), now_s)
        wait = actuation.next_action(now_s)
        assert isinstance(wait, Wait)
        assert actuation.next_action(wait.until_s) == SetOnline(target=3)
        gaps.append(wait.until_s - now_s)
        now_s = wait.until_s
    assert gaps == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0])


def test_a_lost_plug_is_not_repeated_before_a_look_that_is_younger_than_the_loss() -> None:
    actuation = begun()
    handed_out(actuation, 100.0)
    actuation.unknown("the connection broke", 100.5, lost=True)
    assert actuation.next_action(109.0) is None
    actuation.observed(replace(VIEW, at_s=100.5), 1, None, 109.0)
    assert actuation.next_action(109.0) is None
    assert set(actuation.conditions) == {Condition.UNKNOWN}
    actuation.observed(replace(VIEW, at_s=101.0), 1, None, 109.0)
    assert actuation.conditions == {}
    assert actuation.next_action(109.0) == Plug(expect=1, target=3)


def test_a_lost_plug_that_a_look_shows_as_done_goes_on_with_the_guest() -> None:
    actuation = begun()
    handed_out(actuation, 100.0)
    actuation.unknown("the connection broke", 100.5, lost=True)
    actuation.observed(replace(WARM, at_s=101.0), 1, None, 101.0)
    assert actuation.next_action(101.0) == SetOnline(target=3)


def test_what_a_tick_sees_ends_a_change_as_well() -> None:
    actuation = begun(view=WARM)
    handed_out(actuation, 100.0)
    actuation.observed(WARM, 3, None, 100.5)
    assert actuation.busy, "the action is still out"
    actuation.guest_shows(guest_vcpus(present=3, online=3), 100.6)
    assert not actuation.busy
    assert actuation.operation is not None
    assert actuation.operation.online_s == 100.5


def test_a_growth_is_relieved_by_an_interval_that_lies_wholly_after_it() -> None:
    actuation = begun(view=WARM)
    actuation.observed(WARM, 3, None, 105.0)
    actuation.observed(WARM, 3, replace(REST, at_s=105.9, span_s=1.0), 105.9)
    assert actuation.take_closed() == []
    actuation.observed(WARM, 3, replace(REST, at_s=106.9, busy_vcpus=1.9), 106.9)
    assert actuation.take_closed() == []
    actuation.observed(WARM, 3, replace(REST, at_s=107.9), 107.9)
    operation = only_closed(actuation)
    assert (operation.outcome, operation.relieved_s) == (Outcome.DONE, 107.9)


def test_a_growth_that_does_not_relieve_is_done_all_the_same() -> None:
    actuation = begun(view=WARM)
    actuation.observed(WARM, 3, None, 105.0)
    actuation.observed(WARM, 3, None, 105.0 + RELIEF_S + 0.1)
    operation = only_closed(actuation)
    assert (operation.outcome, operation.relieved_s) == (Outcome.DONE, None)


@pytest.mark.parametrize(
    ("took_s", "in_force_s"),
    [
        pytest.param(RELIEF_S + 30.0, 2 * (RELIEF_S + 30.0), id="late"),
        pytest.param(4 * RELIEF_S + 10.0, RELIEF_S, id="too late to be its doing"),
    ],
)
def test_relief_that_comes_late_teaches_how_long_it_takes(took_s: float, in_force_s: float) -> None:
    deadlines, at_s = Deadlines(), 0.0
    for _ in range(20):
        actuation, at_s = Actuation(WARM, deadlines), at_s + 1000.0
        actuation.begin(GROWTH, 7, at_s)
        actuation.observed(WARM, 3, None, at_s)
        actuation.observed(WARM, 3, None, at_s + RELIEF_S + 1.0)
        assert only_closed(actuation).relieved_s is None
        for relieved_s in (at_s + took_s, at_s + took_s + 10.0):
            actuation.observed(WARM, 3, replace(REST, at_s=relieved_s), relieved_s)
        assert actuation.take_closed() == [], "it is on record already"
    assert deadlines.of(Stage.RELIEVED) == pytest.approx(in_force_s)


@pytest.mark.parametrize("then", ["held", "another growth"])
def test_late_relief_teaches_nothing_where_something_else_may_be_why(then: str) -> None:
    deadlines = Deadlines()
    for _ in range(20):
        actuation = Actuation(WARM, deadlines)
        actuation.begin(GROWTH, 7, 0.0)
        actuation.observed(WARM, 3, None, 0.0)
        actuation.observed(WARM, 3, None, RELIEF_S + 1.0)
        if then == "another growth":
            actuation.begin(replace(GROWTH, online=3, next_vcpus=4), 8, RELIEF_S + 2.0)
            actuation.failed(Outcome.FAILED, "no", RELIEF_S + 3.0)
        actuation.observed(WARM, 3, None, RELIEF_S + 5.0, held=then == "held")
        actuation.observed(WARM, 3, replace(REST, at_s=RELIEF_S + 20.0), RELIEF_S + 20.0)
    assert deadlines.of(Stage.RELIEVED) == RELIEF_S


def test_relief_is_waited_for_no_longer_by_time_in_which_something_holds_the_domain() -> None:
    actuation = begun(view=WARM)
    actuation.observed(WARM, 3, None, 105.0)
    actuation.observed(WARM, None, None, 106.0, held=True)
    actuation.observed(WARM, None, None, 106.0 + RELIEF_S, held=True)
    actuation.observed(WARM, 3, None, 107.0 + RELIEF_S)
    assert actuation.take_closed() == []
    actuation.observed(WARM, 3, None, 107.1 + 2 * RELIEF_S)
    assert only_closed(actuation).outcome is Outcome.DONE


def test_a_growth_may_follow_one_whose_relief_is_not_seen_yet() -> None:
    actuation = begun(view=WARM)
    actuation.observed(WARM, 3, None, 100.5)
    actuation.begin(replace(GROWTH, online=3, next_vcpus=4), 8, 101.0)
    assert only_closed(actuation).outcome is Outcome.SUPERSEDED
    assert actuation.busy


def test_a_shrink_is_over_when_the_guest_has_followed() -> None:
    actuation = begun(SHRINK, WARM)
    handed_out(actuation, 100.0)
    actuation.guest_shows(guest_vcpus(present=3, online=2), 100.2)
    assert only_closed(actuation).outcome is Outcome.DONE
    assert actuation.operation is None


def test_a_change_that_nobody_follows_is_given_up_at_its_deadline() -> None:
    actuation = begun(view=WARM)
    actuation.observed(WARM, 1, None, 100.0 + DEADLINE_S)
    assert actuation.busy
    actuation.observed(WARM, 1, None, 100.1 + DEADLINE_S)
    assert only_closed(actuation).outcome is Outcome.STUCK
    assert actuation.obstacle(Direction.UP, 100.2 + DEADLINE_S) is Reason.BACK_OFF
    assert actuation.obstacle(Direction.DOWN, 100.2 + DEADLINE_S) is None
    assert Condition.STUCK in actuation.conditions


def test_an_action_that_never_comes_back_is_said_though_it_cannot_be_taken_back() -> None:
    actuation = begun()
    handed_out(actuation, 100.0)
    actuation.observed(VIEW, 1, None, 100.1 + DEADLINE_S)
    assert actuation.busy
    assert "has not come back" in actuation.conditions[Condition.STUCK]
    actuation.plugged(140.0)
    handed_out(actuation, 140.0)
    actuation.guest_shows(guest_vcpus(present=3, online=3), 140.1)
    assert actuation.conditions == {}


def test_a_guest_that_follows_after_all_is_no_longer_called_stuck() -> None:
    actuation = begun(view=WARM)
    actuation.observed(WARM, 1, None, 100.1 + DEADLINE_S)
    assert Condition.STUCK in actuation.conditions
    actuation.observed(WARM, 2, None, 101.1 + DEADLINE_S)
    assert Condition.STUCK in actuation.conditions
    actuation.observed(WARM, 3, None, 102.1 + DEADLINE_S)
    assert actuation.conditions == {}
    assert actuation.obstacle(Direction.UP, 102.1 + DEADLINE_S) is None


def test_an_error_that_is_over_is_not_blamed_for_what_comes_after() -> None:
    actuation = begun(view=WARM)
    handed_out(actuation, 100.0)
    actuation.unknown("the agent is silent", 101.0, lost=True)
    handed_out(actuation, 102.0)
    actuation.guest_shows(guest_vcpus(present=3, online=1), 102.1)
    actuation.observed(WARM, 1, None, 100.1 + DEADLINE_S)
    assert "silent" not in actuation.conditions[Condition.STUCK]


def test_each_stage_of_a_growth_has_its_own_deadline() -> None:
    settings = DeadlineSettings(accepted_s=5.0, present_s=10.0, online_s=20.0)
    for after, deadline_s, says in (
        (lambda _: None, 5.0, "has not come back for 5 s"),
        (lambda growth: growth.plugged(101.0), 10.0, "does not list the vCPUs that were plugged, 10 s after"),
        (
            lambda growth: growth.guest_shows(guest_vcpus(present=3, online=2), 102.0),
            20.0,
            "runs 2 vCPUs, not 3",
        ),
    ):
        actuation = Actuation(VIEW, Deadlines(settings))
        actuation.begin(GROWTH, 7, 100.0)
        handed_out(actuation, 100.0)
        after(actuation)
        actuation.observed(VIEW if deadline_s == 5.0 else WARM, 2, None, 100.0 + deadline_s)
        assert Condition.STUCK not in actuation.conditions
        actuation.observed(VIEW if deadline_s == 5.0 else WARM, 2, None, 100.1 + deadline_s)
        assert says in actuation.conditions[Condition.STUCK]


def test_a_host_that_becomes_slower_is_given_more_time_by_what_comes_true_late() -> None:
    deadlines, at_s = Deadlines(), 0.0
    outcomes = []
    for took_s in (*[1.0] * 30, *[10.0] * 30):
        actuation, at_s = Actuation(WARM, deadlines), at_s + 100.0
        actuation.begin(GROWTH, 7, at_s)
        for second in range(1, int(took_s) + 1):
            actuation.observed(WARM, 3 if second == took_s else 1, None, at_s + second)
        ended = [operation for operation in (*actuation.take_closed(), actuation.operation) if operation]
        outcomes.append(ended[0].outcome)
        for operation in ended:
            deadlines.note_all(operation)
    assert Outcome.STUCK in outcomes
    assert outcomes[-10:] == 10 * [None], "online in time, relief awaited"


def test_a_retry_that_finds_the_change_made_teaches_how_long_the_first_attempt_took() -> None:
    deadlines, at_s = Deadlines(), 0.0
    for _ in range(20):
        actuation, at_s = Actuation(WARM, deadlines), at_s + 1000.0
        actuation.begin(GROWTH, 7, at_s)
        actuation.observed(WARM, 1, None, at_s + DEADLINE_S + 0.1)
        assert only_closed(actuation).outcome is Outcome.STUCK
        actuation.begin(GROWTH, 8, at_s + 40.0)
        handed_out(actuation, at_s + 40.0)
        actuation.guest_shows(guest_vcpus(present=3, online=3), at_s + 45.0)
        assert actuation.operation is not None
        deadlines.note_all(actuation.operation)
    assert deadlines.of(Stage.ONLINE) == pytest.approx(90.0)


def test_growths_that_plug_nothing_teach_nothing_of_plugging() -> None:
    deadlines = Deadlines()
    for _ in range(20):
        actuation = Actuation(WARM, deadlines)
        actuation.begin(GROWTH, 7, 100.0)
        handed_out(actuation, 100.0)
        actuation.guest_shows(guest_vcpus(present=3, online=3), 100.1)
        assert actuation.operation is not None
        deadlines.note_all(actuation.operation)
    assert deadlines.of(Stage.ONLINE) < DEADLINE_S
    for stage in (Stage.ACCEPTED, Stage.PRESENT):
        assert deadlines.of(stage) == Deadlines().of(stage)


def test_an_answer_that_is_lost_after_the_change_was_seen_made_leaves_nothing_unknown() -> None:
    actuation = begun(SHRINK, WARM)
    handed_out(actuation, 100.0)
    actuation.observed(WARM, SHRINK.next_vcpus, None, 101.0)
    actuation.unknown("the agent is silent", 102.0, lost=True)
    assert actuation.conditions == {}


def test_a_guest_whose_answer_was_lost_is_in_an_unknown_state_until_it_is_seen() -> None:
    actuation = begun(view=WARM)
    handed_out(actuation, 100.0)
    actuation.unknown("the agent is silent", 101.0, lost=True)
    assert Condition.UNKNOWN in actuation.conditions
    actuation.observed(WARM, None, None, 102.0)
    assert Condition.UNKNOWN in actuation.conditions
    handed_out(actuation, 102.0)
    actuation.guest_shows(guest_vcpus(present=3, online=1), 102.1)
    assert actuation.conditions == {}


def test_a_guest_that_was_not_reached_is_in_no_unknown_state() -> None:
    actuation = begun(view=WARM)
    handed_out(actuation, 100.0)
    actuation.unknown("nothing has the agent channel open", 101.0, lost=False)
    assert actuation.conditions == {}


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.DENIED, Outcome.CONFLICT])
def test_a_plug_that_changed_nothing_uses_up_no_cooldown(outcome: Outcome) -> None:
    actuation = refused(outcome)
    assert only_closed(actuation).outcome is outcome
    assert actuation.last_change_s is None


def test_a_conflict_is_no_fault_and_is_decided_anew_at_once() -> None:
    actuation = refused(Outcome.CONFLICT)
    assert actuation.obstacle(Direction.UP, 100.1) is None
    assert actuation.conditions == {}


@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_guest_was_asked_when_vcpus_were_taken_away_may_still_come_true(*, restarted: bool) -> None:
    actuation = begun()
    handed_out(actuation, 100.0)
    actuation.plugged(100.1)
    handed_out(actuation, 100.1)
    view = replace(VIEW, plugged=2, at_s=101.0)
    actuation.observed(view, None, None, 101.0)
    conflict = only_closed(actuation)
    assert conflict.outcome is Outcome.CONFLICT
    if restarted:
        actuation = Actuation(view, Deadlines())
        actuation.inherit(conflict, 102.0)
    else:
        actuation.unknown("the agent is silent", 102.0, lost=True)
    assert actuation.may_bring(1, 2)
    assert not actuation.may_bring(1, 4)
    actuation.observed(replace(view, at_s=170.0), 1, None, 170.0)
    assert not actuation.may_bring(1, 2)
    assert actuation.take_closed() == [], "it is closed once"


def test_a_failure_delays_its_own_direction_and_more_each_time() -> None:
    actuation = refused(Outcome.FAILED)
    assert actuation.conditions == {Condition.FAILED: "no"}
    assert actuation.obstacle(Direction.UP, 100.2) is Reason.BACK_OFF
    assert actuation.obstacle(Direction.DOWN, 100.2) is None
    assert actuation.obstacle(Direction.UP, 106.2) is None
    actuation.begin(GROWTH, 8, 106.2)
    handed_out(actuation, 106.2)
    actuation.failed(Outcome.FAILED, "no", 106.3)
    assert actuation.obstacle(Direction.UP, 112.4) is Reason.BACK_OFF


@pytest.mark.parametrize("change", [{"plugged": 2}, {"maximum": 8}], ids=lambda change: next(iter(change)))
def test_a_refusal_stands_until_the_domain_is_another(change: dict[str, int]) -> None:
    actuation = refused(Outcome.DENIED)
    actuation.observed(VIEW, 1, None, 200.0)
    assert actuation.obstacle(Direction.UP, 200.0) is Reason.DENIED
    assert "it is tried again within 5 minutes" in actuation.conditions[Condition.DENIED]
    actuation.observed(
        replace(VIEW, plugged=change.get("plugged", 1), maximum=change.get("maximum", 4)), 1, None, 200.0
    )
    assert actuation.obstacle(Direction.UP, 200.0) is None


def test_success_forgets_the_failures_before() -> None:
    actuation = refused(Outcome.FAILED)
    actuation.begin(GROWTH, 8, 110.0)
    actuation.observed(WARM, 3, None, 111.0)
    assert actuation.conditions == {}
    assert actuation.obstacle(Direction.UP, 111.0) is None


def test_a_shrink_that_succeeds_says_nothing_of_a_growth_that_failed() -> None:
    actuation = refused(Outcome.FAILED)
    actuation.begin(SHRINK, 8, 101.0)
    actuation.observed(WARM, 2, None, 102.0)
    assert actuation.conditions == {Condition.FAILED: "no"}
    assert actuation.obstacle(Direction.UP, 102.0) is Reason.BACK_OFF
    actuation.observed(WARM, 3, None, 103.0)
    assert actuation.conditions == {}
    assert actuation.obstacle(Direction.UP, 103.0) is None


def test_of_a_growth_and_a_shrink_that_failed_alike_the_later_one_is_told() -> None:
    actuation = refused(Outcome.FAILED)
    actuation.begin(SHRINK, 8, 101.0)
    handed_out(actuation, 101.0)
    actuation.failed(Outcome.FAILED, "nor down", 101.1)
    assert actuation.conditions == {Condition.FAILED: "nor down"}
    actuation.observed(WARM, 2, None, 102.0)
    assert actuation.conditions == {Condition.FAILED: "no"}


def test_a_change_under_way_is_in_the_way_of_any_other() -> None:
    actuation = begun()
    assert actuation.obstacle(Direction.UP, 100.0) is Reason.IN_PROGRESS
    assert actuation.obstacle(Direction.DOWN, 100.0) is Reason.IN_PROGRESS


def test_a_change_that_nobody_will_see_the_end_of_is_closed_as_that() -> None:
    actuation = begun()
    actuation.abandon("the domain stopped")
    operation = only_closed(actuation)
    assert (operation.outcome, operation.detail) == (Outcome.ABANDONED, "the domain stopped")


def test_a_growth_whose_relief_nobody_will_see_was_done() -> None:
    actuation = begun(view=WARM)
    actuation.observed(WARM, 3, None, 105.0)
    actuation.abandon("the domain stopped")
    assert only_closed(actuation).outcome is Outcome.DONE


def test_abandoning_nothing_closes_nothing() -> None:
    actuation = Actuation(VIEW, Deadlines())
    actuation.abandon("the domain stopped")
    assert actuation.take_closed() == []
