"""One domain: what is decided from what was seen, and what may not be concluded from what was not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.arbiter import Grant
from autoscaler.core.asking import request_of
from autoscaler.core.condition import Condition
from autoscaler.core.decision import Decision
from autoscaler.core.domain_state import DomainState
from autoscaler.core.model import CpuSource, DomainView, Missing, Observation, RunState, Sample
from autoscaler.core.operation import Outcome, Plug
from autoscaler.core.policy import (
    AdaptiveStrategy,
    DownLimits,
    Fallback,
    ManualChange,
    MissingRule,
    Mode,
    Policy,
    Sla,
    TargetStrategy,
)
from autoscaler.core.preview import preview
from autoscaler.core.reason import Reason
from autoscaler.core.stabilize import Clamp
from tests.fakes.examples import MISSING, POLICY, SAMPLE, VIEW, guest_vcpus

QUICK = replace(
    POLICY,
    strategy=TargetStrategy(utilization_ratio=0.7, hold_s=10.0),
    down=DownLimits(cooldown_s=0.0),
    missing=MissingRule(stale_after_s=30.0),
)
FOUR = replace(VIEW, plugged=4)


class Life:
    """A domain that is observed and decided second by second."""

    def __init__(self, view: DomainView = FOUR, policy: Policy = QUICK) -> None:
        self.now_s = 100.0
        self.view = view
        self.state = DomainState(view, policy, self.now_s)
        self.busy_s = 50.0
        self.online = view.plugged

    def sampled(self, busy: float, *, seconds: float = 1.0) -> Sample:
        self.now_s += seconds
        self.busy_s += busy * seconds
        online = frozenset(range(self.online))
        return replace(SAMPLE, at_s=self.now_s, busy_s=self.busy_s, online=online)

    def sees(self, observation: Observation) -> Decision:
        self.state.observe(replace(self.view, at_s=self.now_s), observation, self.now_s)
        return self.state.decide(self.now_s, 1_800_000_000.0 + self.now_s)

    def lives(self, busy: float, *, seconds: int) -> Decision:
        for _ in range(seconds):
            decision = self.sees(self.sampled(busy))
        return decision

    def misses(self, missing: Missing = MISSING, *, seconds: int = 1) -> Decision:
        for _ in range(seconds):
            self.now_s += 1.0
            decision = self.sees(missing)
        return decision


def test_the_first_sample_decides_nothing() -> None:
    decision = Life().lives(0.0, seconds=1)
    assert (decision.reason, decision.act, decision.next_vcpus) == (Reason.WARMING_UP, False, 4)


def test_a_domain_that_is_new_to_the_service_keeps_its_vcpus_for_the_hold() -> None:
    life = Life()
    assert life.lives(0.2, seconds=10).reason is Reason.HOLD
    assert life.lives(0.2, seconds=3).act


def test_a_guest_that_was_paused_is_not_taken_for_idle() -> None:
    life = Life()
    life.lives(2.5, seconds=20)
    life.view = replace(FOUR, state=RunState.PAUSED)
    assert life.misses(seconds=20).reason is Reason.NOT_RUNNING
    life.view = FOUR
    for _ in range(5):
        assert not life.sees(life.sampled(2.5)).act


def test_a_guest_that_was_not_seen_for_long_is_not_judged_by_what_it_did_meanwhile() -> None:
    life = Life()
    life.lives(2.5, seconds=20)
    assert life.misses(seconds=40).reason is Reason.MISSING
    assert life.sees(life.sampled(0.1, seconds=600.0)).reason is Reason.WARMING_UP


def test_a_guest_that_answers_every_other_time_is_still_measured() -> None:
    life = Life()
    for _ in range(20):
        life.misses()
        decision = life.sees(life.sampled(3.9))
    assert decision.load is not None


@pytest.mark.parametrize("seconds", [1, 29, 31, 5000])
def test_a_missing_sample_never_shrinks(seconds: int) -> None:
    life = Life()
    life.lives(0.1, seconds=5)
    decision = life.misses(seconds=seconds)
    assert (decision.reason, decision.act, decision.online) == (Reason.MISSING, False, 4)


def test_missing_for_too_long_raises_where_the_policy_says_so_and_never_lowers() -> None:
    rule = MissingRule(stale_after_s=30.0, then=Fallback.RAISE_TO, raise_to_vcpus=2)
    small = Life(VIEW, replace(QUICK, missing=rule))
    small.lives(0.1, seconds=5)
    assert not small.misses(seconds=30).act
    decision = small.misses()
    assert (decision.reason, decision.act, decision.next_vcpus) == (Reason.RAISED, True, 2)
    large = Life(FOUR, replace(QUICK, missing=rule))
    assert large.misses(seconds=100).next_vcpus == 4


def test_a_sample_from_before_a_confirmed_change_does_not_undo_it() -> None:
    life = Life(VIEW)
    life.lives(0.97, seconds=2)
    late = life.sampled(0.97)
    life.state.actuation.begin(replace(life.lives(0.97, seconds=0 + 1), act=True), 1, life.now_s)
    life.now_s += 0.5
    life.state.guest_shows(guest_vcpus(present=2, online=2), life.now_s)
    life.state.observe(replace(VIEW, plugged=2, at_s=life.now_s), late, life.now_s)
    assert life.state.online == 2


def test_a_guest_seen_only_from_the_host_is_measured_and_not_resized() -> None:
    life = Life(VIEW)
    for _ in range(5):
        decision = life.sees(replace(life.sampled(1.0), source=CpuSource.HOST))
    assert (decision.reason, decision.act) == (Reason.UNCONFIRMED, False)
    assert decision.proposed > 1
    assert Condition.UNCONFIRMED in life.state.conditions(life.now_s)


@pytest.mark.parametrize(
    ("mode", "act"), [(Mode.AUTO, True), (Mode.UP_ONLY, True), (Mode.RECOMMEND, False)], ids=str
)
def test_a_mode_decides_whether_a_wanted_growth_is_made(mode: Mode, *, act: bool) -> None:
    decision = Life(VIEW, replace(QUICK, mode=mode)).lives(1.0, seconds=3)
    assert (decision.act, decision.next_vcpus) == (act, 2)


def test_the_upper_bound_is_the_smaller_of_the_policys_and_the_domains() -> None:
    assert Life(VIEW, replace(QUICK, max_vcpus=64)).lives(1.0, seconds=3).target <= 4
    assert Life(VIEW, replace(QUICK, max_vcpus=1)).lives(1.0, seconds=3).target == 1


def test_a_minimum_above_the_maximum_asks_for_the_maximum() -> None:
    assert Life(VIEW, replace(QUICK, min_vcpus=9)).lives(0.0, seconds=3).target == 4


def test_a_count_that_somebody_else_set_is_respected_for_its_time_and_then_counts_as_wanted() -> None:
    policy = replace(QUICK, manual_change=ManualChange(respect_for_s=60.0))
    life = Life(FOUR, policy)
    life.lives(3.0, seconds=30)
    life.online = 2
    decision = life.lives(1.95, seconds=5)
    assert (decision.reason, decision.act, decision.next_vcpus) == (Reason.BY_HAND, False, 2)
    assert Condition.BY_HAND in life.state.conditions(life.now_s)
    life.lives(1.95, seconds=56)
    decision = life.lives(1.95, seconds=1)
    assert (decision.reason, decision.act) == (Reason.DEMAND_HIGH, True)
    assert Condition.BY_HAND not in life.state.conditions(life.now_s)


def test_a_vcpu_that_somebody_else_plugged_is_noticed_at_once() -> None:
    life = Life(VIEW)
    life.lives(0.3, seconds=3)
    life.view = replace(VIEW, plugged=3)
    life.lives(0.3, seconds=1)
    assert Condition.BY_HAND in life.state.conditions(life.now_s)


def test_vcpus_that_a_growth_failed_to_bring_were_needed_though_nobody_looked_meanwhile() -> None:
    life = Life(VIEW)
    decision = life.lives(0.97, seconds=3)
    assert life.state.idle.since_s(1) == 101.0
    life.state.begin(decision, 1, life.now_s)
    life.state.actuation.started(Plug(expect=1, target=decision.next_vcpus))
    life.state.actuation.failed(Outcome.FAILED, "not now", life.now_s + 0.1)
    life.lives(0.1, seconds=1)
    assert life.state.idle.since_s(1) == 104.0


def test_a_guest_that_only_its_host_tells_of_is_not_known_to_be_idle() -> None:
    life = Life(FOUR)
    life.sees(replace(life.sampled(0.1), source=CpuSource.HOST))
    assert life.state.idle.since_s(4) is None
    life.online = 2
    life.lives(0.1, seconds=1)
    assert (life.state.idle.since_s(1), life.state.idle.since_s(2)) == (None, 102.0)


def test_a_change_of_ours_is_not_taken_for_somebody_elses() -> None:
    life = Life(VIEW)
    decision = life.lives(0.97, seconds=3)
    operation = life.state.begin(decision, 1, life.now_s)
    action = life.state.actuation.next_action(life.now_s)
    assert isinstance(action, Plug)
    life.state.actuation.started(action)
    life.state.actuation.plugged(life.now_s + 0.1)
    life.state.guest_shows(guest_vcpus(present=2, online=2), life.now_s + 0.2)
    life.view, life.online = replace(VIEW, plugged=2), 2
    life.lives(0.97, seconds=3)
    assert operation.to_vcpus == 2
    assert life.state.conditions(life.now_s) == {}


def test_a_reboot_that_brings_every_vcpu_online_is_nobodys_change() -> None:
    life = Life(FOUR)
    life.online = 1
    life.lives(0.5, seconds=5)
    life.online, life.busy_s = 4, 0.0
    life.sees(replace(life.sampled(0.5), boot_s=1_800_000_900.0))
    assert Condition.BY_HAND not in life.state.conditions(life.now_s)


def test_a_preview_tells_what_another_policy_would_decide_and_changes_nothing() -> None:
    life = Life(FOUR)
    life.lives(0.5, seconds=20)
    decision = life.state.decision
    other = replace(
        QUICK, name="other", min_vcpus=3, strategy=TargetStrategy(utilization_ratio=0.2, hold_s=0)
    )
    found = preview(life.state, other, life.now_s, 1_800_000_000.0)
    assert (found.policy, found.lower, found.target) == ("other", 3, 3)
    assert life.state.decision is decision
    assert life.state.policy is QUICK


def test_what_was_learned_survives_a_policy_that_means_the_same() -> None:
    adaptive = replace(QUICK, strategy=AdaptiveStrategy())
    life = Life(FOUR, adaptive)
    life.lives(3.9, seconds=200)
    learned, slo = life.state.learned.recommender, life.state.learned.slo
    life.state.govern(replace(adaptive, name="renamed", max_vcpus=3), life.now_s)
    assert (life.state.learned.recommender, life.state.learned.slo) == (learned, slo)
    bad = slo.report().bad
    life.state.govern(replace(adaptive, sla=Sla(objective_ratio=0.999)), life.now_s)
    assert life.state.learned.slo.report().bad == bad > 0
    life.state.govern(replace(adaptive, sla=Sla(below=0.5)), life.now_s)
    assert life.state.learned.slo.report().bad == 0


def test_a_domain_yields_only_what_is_above_its_floor_and_only_where_it_may_shrink() -> None:
    def yields(policy: Policy, view: DomainView = FOUR) -> bool:
        life = Life(view, policy)
        life.lives(2.9, seconds=20)
        return request_of(life.state, life.now_s, asks=False).yields

    assert yields(QUICK)
    assert not yields(replace(QUICK, min_vcpus=4))
    assert not yields(replace(QUICK, mode=Mode.UP_ONLY))
    assert not yields(replace(QUICK, mode=Mode.RECOMMEND))
    assert not yields(replace(QUICK, down=DownLimits(per_day=0)))


def test_a_grant_of_less_is_recorded_with_its_reason() -> None:
    life = Life(VIEW, replace(QUICK, max_vcpus=4))
    for _ in range(3):
        decision = life.sees(replace(life.sampled(1.0), runnable=4))
    assert (decision.next_vcpus, decision.act) == (3, True)
    part = life.state.settle(Grant(vcpus=2, reason=Reason.HOST_FULL, detail="2 of 8 are left"))
    assert (part.next_vcpus, part.reason, part.act) == (2, Reason.DEMAND_HIGH, True)
    assert part.clamps[-1] == Clamp(Reason.HOST_FULL, 3, 2)
    life.sees(life.sampled(1.0))
    none = life.state.settle(Grant(vcpus=1, reason=Reason.HOST_FULL, detail="0 of 8 are left"))
    assert (none.next_vcpus, none.reason, none.act, none.granted) == (
        1,
        Reason.HOST_FULL,
        False,
        "0 of 8 are left",
    )
