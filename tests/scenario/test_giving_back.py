"""Stories of a guest that is asked for a vCPU: it follows, late or never, or refuses; and still it grows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.decision import Verdict
from autoscaler.core.model import Descriptors
from autoscaler.core.operation import Direction, Outcome
from autoscaler.core.orders import Order, OrderKind
from autoscaler.core.policy import DownLimits, ManualChange, Mode, Policy, Reclaim
from autoscaler.core.reason import Reason
from autoscaler.errors import (
    BackendUnavailable,
    Denied,
    DomainBusy,
    DomainFrozen,
    OutcomeUnknown,
)
from autoscaler.service.journal_reader import events
from tests.fakes.simulated_guest import EPOCH_S
from tests.scenario.test_growing_and_shrinking import POLICY, Story

if TYPE_CHECKING:
    from pathlib import Path

UNPLUG = replace(POLICY, down=DownLimits(step_vcpus=1, cooldown_s=5, reclaim=Reclaim.UNPLUG))


class GivingBack(Story):
    """One guest whose policy takes vCPUs back, grown to three, now without load."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, UNPLUG)
        self.run(3)
        self.guest.set(demand=1.8)
        self.run(10)
        assert (self.guest.plugged, len(self.guest.online)) == (3, 3)
        self.guest.set(demand=0.2)

    @property
    def removals(self) -> list[Outcome]:
        """How the removals ended, the first first."""
        found = [event["operation"] for event in events(self.simulation.journal._path, limit=1000)]
        return [
            Outcome(operation["outcome"])
            for operation in found
            if isinstance(operation, dict)
            and operation["direction"] == Direction.UNPLUG
            and operation["outcome"] is not None
        ]


@pytest.fixture
def story(tmp_path: Path) -> GivingBack:
    return GivingBack(tmp_path)


def test_vcpus_that_are_not_needed_go_back_one_at_a_time_highest_first(story: GivingBack) -> None:
    story.run(120)

    assert story.guest.unplugs == [2, 1]
    assert (story.guest.plugged, story.guest.online) == (1, {0})
    assert story.removals == [Outcome.DONE, Outcome.DONE]
    assert story.conditions == {}


def test_every_stage_of_a_removal_is_timed(story: GivingBack) -> None:
    story.run(120)

    removal = story.simulation.domain("web-1").last_removal
    assert removal is not None
    assert list(removal.stages_s()) == ["offlined", "requested", "acknowledged", "gone"]
    assert list(removal.stages_s().values()) == sorted(removal.stages_s().values())
    assert story.simulation.domain("web-1").tally.operations[Direction.UNPLUG] == 2


def test_by_default_a_vcpu_stays_plugged(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.guest.set(demand=1.8)
    story.run(10)
    story.guest.set(demand=0.2)
    story.run(3600)

    assert (story.guest.plugged, len(story.guest.online), story.guest.unplugs) == (3, 1, [])


def test_a_vcpu_goes_back_once_it_was_idle_for_the_stated_time(tmp_path: Path) -> None:
    down = replace(UNPLUG.down, reclaim=Reclaim.OFFLINE_THEN_UNPLUG, unplug_after_s=600)
    story = Story(tmp_path, replace(UNPLUG, down=down))
    story.run(3)
    story.guest.set(demand=1.8)
    story.run(10)
    story.guest.set(demand=0.2)
    story.run(500)
    assert (story.guest.plugged, len(story.guest.online)) == (3, 1)
    story.guest.set(demand=1.8)
    story.run(20)
    story.guest.set(demand=0.2)
    story.run(500)
    assert story.guest.plugged == 3, "it was needed meanwhile"
    story.run(200)

    assert story.guest.plugged == 1


def test_a_vcpu_that_was_in_use_stays_for_the_stated_time_though_another_was_idle_for_as_long(
    tmp_path: Path,
) -> None:
    down = replace(UNPLUG.down, reclaim=Reclaim.OFFLINE_THEN_UNPLUG, unplug_after_s=60)
    story = Story(tmp_path, replace(UNPLUG, down=down))
    story.run(3)
    story.guest.set(demand=2.6)
    story.run(10)
    assert (story.guest.plugged, len(story.guest.online)) == (4, 4)
    story.guest.set(demand=1.8)
    story.run(45)
    assert (story.guest.plugged, len(story.guest.online)) == (4, 3)

    story.guest.set(demand=0.2)
    in_use_s: dict[int, float] = {}
    gone_s: dict[int, float] = {}
    for _ in range(300):
        in_use_s |= dict.fromkeys(story.guest.online, story.clock.now_s)
        story.run(1)
        gone = set(range(4)) - story.guest.slots
        gone_s = dict.fromkeys(gone, story.clock.now_s) | gone_s

    assert story.guest.unplugs == [3, 2, 1]
    for slot in (2, 1):
        assert 60 <= gone_s[slot] - in_use_s[slot] <= 90, f"slot {slot}"


@pytest.mark.parametrize("mode", [Mode.UP_ONLY, Mode.RECOMMEND])
def test_a_mode_that_takes_nothing_away_unplugs_nothing(tmp_path: Path, mode: Mode) -> None:
    story = Story(tmp_path, replace(UNPLUG, mode=mode))
    story.guest.plug(3)
    story.run(120)

    assert story.guest.unplugs == []


def test_in_mode_recommend_it_is_said_what_would_go(tmp_path: Path) -> None:
    story = Story(tmp_path, replace(UNPLUG, mode=Mode.RECOMMEND))
    story.guest.plug(3)
    story.run(30)

    decision = story.simulation.domain("web-1").decision
    assert decision is not None
    assert (decision.verdict, decision.reason, decision.unplug_to) == (Verdict.UNPLUG, Reason.IDLE, 2)
    assert not decision.act


def test_a_removal_stays_pending_from_tick_to_tick_and_is_done_when_it_is_seen(story: GivingBack) -> None:
    story.guest.set(ejects_after_s=20.0)
    story.run(40)
    removal = story.simulation.domain("web-1").removal
    assert removal is not None
    assert removal.accepted_s is not None
    assert story.guest.plugged == 3
    story.run(15)

    assert story.guest.plugged == 2
    assert story.removals == [Outcome.DONE]
    assert story.conditions == {}


def test_a_guest_that_never_follows_is_stuck_and_not_asked_again_at_once(story: GivingBack) -> None:
    story.guest.set(ejects_after_s=float("inf"))
    story.run(100)

    assert story.removals == [Outcome.STUCK]
    assert "slot 2" in story.conditions[Condition.NOT_GIVEN_BACK]
    assert story.guest.unplugs == [2]


def test_an_eject_that_lands_after_the_deadline_is_ours_and_clears_the_condition(story: GivingBack) -> None:
    story.guest.set(ejects_after_s=float("inf"))
    story.run(100)
    story.guest.eject(2)
    story.guest.set(ejects_after_s=0.2)
    story.run(2)

    assert story.conditions == {}
    story.run(60)
    assert story.guest.plugged == 1


def test_a_refusal_is_told_in_words_and_remembered_for_its_slot(story: GivingBack) -> None:
    story.guest.set(refuses_removal=True)
    story.run(70)

    assert story.removals[0] is Outcome.REFUSED
    assert "busy" in story.conditions[Condition.NOT_GIVEN_BACK]
    story.run(60)
    asked = len(story.guest.unplugs)
    assert asked <= 3
    story.guest.set(refuses_removal=False)
    story.run(700)
    assert story.guest.plugged == 1
    assert story.conditions == {}


@pytest.mark.parametrize("refuses", [True, False], ids=["refused", "never answered"])
def test_a_removal_that_does_not_come_true_blocks_no_growth(story: GivingBack, *, refuses: bool) -> None:
    story.guest.set(refuses_removal=refuses, ejects_after_s=float("inf"))
    story.run(45)
    assert story.guest.unplugs
    story.guest.set(demand=1.8)
    story.run(3)
    assert len(story.guest.online) == 3, "the vCPU that was asked for runs again"
    story.guest.set(demand=3.0)
    story.run(8)

    assert len(story.guest.online) == 4
    assert Condition.BY_HAND not in story.conditions


def test_growth_ends_a_removal_and_an_eject_that_lands_late_is_made_good(story: GivingBack) -> None:
    story.guest.set(ejects_after_s=float("inf"))
    story.run(45)
    story.guest.set(demand=1.8)
    story.run(5)
    assert story.removals == [Outcome.SUPERSEDED]
    assert len(story.guest.online) == 3

    story.guest.eject(2)
    story.run(4)

    assert (story.guest.plugged, len(story.guest.online)) == (3, 3)
    assert Condition.BY_HAND not in story.conditions


def test_an_eject_during_a_growth_that_needs_the_vcpu_is_made_good(story: GivingBack) -> None:
    story.guest.set(ejects_after_s=float("inf"))
    story.run(45)
    story.guest.set(demand=3.5, lists_after_s=2.0)
    story.run(2.5)
    story.guest.eject(2)
    story.run(12)

    assert (story.guest.plugged, len(story.guest.online)) == (4, 4)
    assert story.conditions.keys() <= {Condition.NO_HEADROOM}


@pytest.mark.parametrize(
    ("demand", "wanted"),
    [pytest.param(2.5, 4, id="more than are counted"), pytest.param(1.8, 3, id="as many")],
)
def test_a_vcpu_whose_going_is_heard_of_with_the_next_growth_only_is_made_good(
    story: GivingBack, demand: float, wanted: int
) -> None:
    story.guest.set(heard_of_late=True)
    story.run(45)
    assert (story.guest.plugged, story.guest.unplugs) == (3, [2])
    assert len(story.guest.listed()) == 2
    story.guest.set(demand=demand)
    story.run(8)

    assert (story.guest.plugged, len(story.guest.online)) == (wanted, wanted)
    assert story.conditions.keys() <= {Condition.NO_HEADROOM}


def test_a_plug_that_brings_the_news_of_a_vcpu_that_went_is_made_once_more(story: GivingBack) -> None:
    story.guest.set(heard_of_late=True)
    story.run(45)
    assert (story.guest.plugged, len(story.guest.listed())) == (3, 2)
    order = Order(
        domain=story.guest.id, name="web-1", kind=OrderKind.SET, vcpus=4, by_uid=0, at_wall_s=EPOCH_S
    )
    story.simulation.controller.give(order)
    story.run(5)

    assert story.guest.plugs[-2:] == [4, 4]
    assert (story.guest.plugged, len(story.guest.online)) == (4, 4)
    assert story.conditions.keys() == {Condition.ORDERED}


def test_a_vcpu_that_went_unheard_of_is_asked_for_once_more_and_found_gone(story: GivingBack) -> None:
    story.guest.set(heard_of_late=True)
    story.run(400)

    assert story.guest.plugged == 1
    assert story.removals[-1] is Outcome.DONE
    assert story.conditions == {}


def test_a_guest_that_is_slow_to_list_is_asked_once_more_in_a_growth_and_no_more(story: GivingBack) -> None:
    story.guest.set(ejects_after_s=float("inf"))
    story.run(45)
    story.guest.set(demand=3.0, lists=False)
    story.run(25)

    assert story.guest.unplugs.count(2) <= 2


def test_an_eject_that_nobody_asked_for_is_somebody_elses_change(tmp_path: Path) -> None:
    story = Story(tmp_path, replace(UNPLUG, manual_change=ManualChange(respect_for_s=60)))
    story.run(3)
    story.guest.set(demand=1.8)
    story.run(10)
    story.guest.eject(2)
    story.run(2)

    assert Condition.BY_HAND in story.conditions
    story.run(70)
    assert len(story.guest.online) == 3


@pytest.mark.parametrize("reclaim", [Reclaim.UNPLUG, Reclaim.OFFLINE_THEN_UNPLUG])
def test_what_somebody_else_plugged_is_idle_only_from_when_it_is_adopted(
    tmp_path: Path, reclaim: Reclaim
) -> None:
    down = replace(UNPLUG.down, reclaim=reclaim, cooldown_s=100, unplug_after_s=100)
    manual = ManualChange(respect_for_s=300)
    story = Story(tmp_path, replace(UNPLUG, down=down, manual_change=manual))
    story.guest.set(onlines=False)
    story.run(3)
    story.guest.plug(3)
    story.run(2)
    assert Condition.BY_HAND in story.conditions
    story.run(380)
    assert Condition.BY_HAND not in story.conditions
    assert story.guest.unplugs == []
    story.run(60)
    assert story.guest.unplugs != []


@pytest.mark.parametrize("respect_s", [0, 300])
def test_what_somebody_else_plugged_is_left_for_the_stated_time_from_when_it_is_adopted(
    tmp_path: Path, respect_s: float
) -> None:
    down = replace(UNPLUG.down, reclaim=Reclaim.OFFLINE_THEN_UNPLUG, unplug_after_s=200)
    story = Story(tmp_path, replace(UNPLUG, down=down, manual_change=ManualChange(respect_for_s=respect_s)))
    story.guest.set(onlines=False)
    story.run(300)
    story.guest.plug(3)
    story.run(respect_s + 190)
    assert story.guest.unplugs == []
    story.run(60)
    assert story.guest.plugged == 1


def test_a_pending_removal_that_fires_after_a_reboot_is_ours(story: GivingBack) -> None:
    story.guest.set(ejects_after_s=float("inf"))
    story.run(45)
    story.guest.reboot()
    story.run(20)
    story.guest.eject(2)
    story.run(3)

    assert Condition.BY_HAND not in story.conditions


@pytest.mark.parametrize(
    ("error", "outcome", "condition"),
    [
        pytest.param(Denied("no vCPU can go"), Outcome.DENIED, Condition.DENIED, id="denied"),
        pytest.param(DomainBusy("not now"), Outcome.FAILED, Condition.NOT_GIVEN_BACK, id="not now"),
        pytest.param(BackendUnavailable("away"), Outcome.FAILED, Condition.NOT_GIVEN_BACK, id="host away"),
    ],
)
def test_a_request_that_is_not_taken_backs_off_and_blocks_nothing(
    story: GivingBack, error: Denied | DomainBusy | BackendUnavailable, outcome: Outcome, condition: Condition
) -> None:
    story.guest.set(unplug_error=error)
    story.run(45)

    assert story.removals[0] is outcome
    assert set(story.conditions) == {condition}
    assert str(error) in story.conditions[condition]
    story.guest.set(demand=1.8)
    story.run(3)
    assert len(story.guest.online) == 3


def test_what_is_denied_is_asked_again_when_the_domain_is_another(story: GivingBack) -> None:
    story.guest.set(unplug_error=Denied("no vCPU can go"))
    story.run(45)
    story.guest.set(unplug_error=None, maximum=5)
    story.run(3)

    assert story.guest.unplugs == [2]


def test_a_request_whose_answer_was_lost_is_looked_at_before_it_is_made_again(story: GivingBack) -> None:
    story.guest.set(unplug_reply_lost=OutcomeUnknown("the link broke"))
    story.run(45)

    assert story.guest.unplugs == [2, 1], "no slot was asked for twice"
    assert set(story.removals) == {Outcome.DONE}


def test_no_more_vcpus_are_taken_back_than_a_day_allows(tmp_path: Path) -> None:
    story = Story(tmp_path, replace(UNPLUG, down=replace(UNPLUG.down, per_day=3)))
    story.run(3)
    story.guest.set(demand=1.8)
    story.run(10)
    story.guest.set(demand=0.2)
    story.run(600)

    assert len(story.guest.unplugs) == 1, "two shrinks and one removal"


@pytest.mark.parametrize(
    ("policy", "hears"),
    [
        pytest.param(UNPLUG, True, id="unplug"),
        pytest.param(replace(UNPLUG, mode=Mode.RECOMMEND), False, id="only recommended"),
        pytest.param(replace(UNPLUG, mode=Mode.UP_ONLY), False, id="up-only"),
        pytest.param(POLICY, False, id="offline"),
    ],
)
def test_a_host_is_listened_to_for_reports_where_vcpus_are_going_to_be_asked_back_and_else_not(
    tmp_path: Path, policy: Policy, *, hears: bool
) -> None:
    story = Story(tmp_path, policy)
    story.run(3)
    assert story.host.hears_firmware is hears
    assert story.guest.plugs == []


def test_a_freeze_stops_the_clock_of_a_removal_that_was_asked_for(story: GivingBack) -> None:
    story.guest.set(ejects_after_s=float("inf"))
    while not story.guest.unplugs:
        story.run(1)
    story.guest.set(agent_error=DomainFrozen("the filesystems of domain web-1 are frozen"))
    story.run(300)
    assert story.removals == []
    story.guest.eject(2)
    story.run(2)
    assert story.removals == [Outcome.DONE]
    assert Condition.BY_HAND not in story.conditions


def test_nothing_is_unplugged_from_a_qemu_that_runs_out_of_descriptors(story: GivingBack) -> None:
    story.guest.set(descriptors=Descriptors(open=900, limit=1024))
    story.run(120)

    assert story.guest.unplugs == []
    assert "900 files open of 1024" in story.conditions[Condition.FEW_DESCRIPTORS]
    story.guest.set(descriptors=Descriptors(open=800, limit=1024))
    story.run(60)
    assert story.guest.plugged == 1


def test_a_guest_that_qemu_emulates_keeps_its_vcpus_and_is_told_why(story: GivingBack) -> None:
    story.guest.set(emulated=True)
    story.run(120)

    assert (story.guest.plugged, story.guest.online, story.guest.unplugs) == (3, {0}, [])
    told = story.conditions[Condition.EMULATED]
    assert "web-1" in told
    assert "run it with KVM" in told
    assert "reclaim: offline" in told
    story.guest.set(demand=1.8)
    story.run(10)
    assert len(story.guest.online) == 3, "it grows as ever"


def test_a_guest_that_is_known_to_be_emulated_is_not_asked_once_more_either(story: GivingBack) -> None:
    story.guest.set(emulated=None, heard_of_late=True)
    story.run(45)
    assert (story.guest.unplugs, len(story.guest.listed())) == ([2], 2)
    story.guest.set(emulated=True, demand=1.8)
    story.run(20)

    assert story.guest.unplugs == [2]


def test_nothing_is_said_of_emulation_where_nothing_is_to_go_back(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.guest.set(emulated=True)
    story.run(10)

    assert story.conditions == {}


def test_a_host_that_does_not_tell_its_slots_is_followed_by_its_count(story: GivingBack) -> None:
    story.guest.set(tells_slots=False, ejects_after_s=20.0)
    story.run(160)

    assert story.guest.plugged == 1
    assert set(story.removals) == {Outcome.DONE}
    assert story.conditions == {}
