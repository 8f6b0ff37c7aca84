"""Stories of one guest under the real controller, on a clock that the test moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.model import MissingReason, RunState
from autoscaler.core.operation import Direction, Outcome
from autoscaler.core.policy import (
    DownLimits,
    Fallback,
    Match,
    MissingRule,
    Mode,
    Policy,
    PolicySet,
    TargetStrategy,
    UpLimits,
)
from autoscaler.core.reason import Reason
from autoscaler.errors import AgentUnresponsive, BackendUnavailable, Denied, OutcomeUnknown
from autoscaler.service.journal_reader import events
from autoscaler.service.tally import UNKNOWN
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

POLICY = Policy(
    name="web",
    match=Match(name=("web-*",)),
    max_vcpus=4,
    strategy=TargetStrategy(utilization_ratio=0.70, tolerance_ratio=0.10, hold_s=10),
    up=UpLimits(),
    down=DownLimits(step_vcpus=1, cooldown_s=5),
    missing=MissingRule(stale_after_s=10),
)


class Story:
    """One guest, one policy."""

    def __init__(
        self, folder: Path, policy: Policy = POLICY, *, name: str = "web-1", maximum: int = 4
    ) -> None:
        self.clock = SimulatedClock()
        self.guest = SimulatedGuest(name, self.clock, maximum=maximum)
        self.host = SimulatedHost(self.clock, [self.guest])
        self.simulation = Simulation(self.host, [policy], folder=folder)
        self.run = self.simulation.run

    @property
    def reason(self) -> Reason:
        decision = self.simulation.domain(self.guest.name).decision
        assert decision is not None
        return decision.reason

    @property
    def conditions(self) -> dict[Condition, str]:
        return dict(self.simulation.domain(self.guest.name).conditions)

    def outcomes(self) -> list[Outcome | None]:
        found = events(self.simulation.journal._path, limit=1000)
        operations = [event["operation"] for event in found if event["operation"]]
        return [operation["outcome"] for operation in operations if isinstance(operation, dict)]


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def grown(story: Story) -> Story:
    story.run(3)
    story.guest.set(demand=1.8)
    story.run(4)
    assert len(story.guest.online) == 3
    return story


def test_a_guest_whose_demand_rises_gets_the_vcpus_in_one_move_and_is_relieved(story: Story) -> None:
    grown(story)
    story.run(4)
    assert story.guest.plugs == [3]
    operation = story.simulation.domain("web-1").last_operation
    assert operation is not None
    assert operation.outcome is Outcome.DONE
    assert list(operation.stages_s()) == ["accepted", "present", "online", "relieved"]
    assert list(operation.stages_s().values()) == sorted(operation.stages_s().values())


def test_a_guest_whose_demand_falls_gives_vcpus_back_one_at_a_time_after_the_hold(story: Story) -> None:
    grown(story)
    story.run(6)
    story.guest.set(demand=0.2)
    story.run(9)
    assert len(story.guest.online) == 3
    assert story.reason is Reason.HOLD
    story.run(4)
    assert len(story.guest.online) == 2
    story.run(8)
    assert len(story.guest.online) == 1
    assert story.guest.plugged == 3


def test_a_share_goes_offline_in_one_move_which_counts_once_against_the_day(tmp_path: Path) -> None:
    down = DownLimits(step_ratio=0.25, cooldown_s=5, per_day=2)
    story = Story(tmp_path, replace(POLICY, max_vcpus=16, down=down), maximum=16)
    story.run(3)
    story.guest.set(demand=11)
    story.run(20)
    assert len(story.guest.online) == 16
    story.guest.set(demand=0.2)
    counts = []
    for _ in range(60):
        story.run(1)
        counts.append(len(story.guest.online))
    assert sorted(set(counts), reverse=True) == [16, 12, 9]
    assert story.reason is Reason.DAILY_LIMIT
    assert story.guest.plugged == 16


def test_growth_after_a_shrink_uses_the_vcpus_that_were_kept_plugged(story: Story) -> None:
    grown(story)
    story.guest.set(demand=0.2)
    story.run(30)
    story.guest.set(demand=1.8)
    story.run(4)
    assert len(story.guest.online) == 3
    assert story.guest.plugs == [3]


def test_steady_demand_settles_and_makes_no_further_moves(story: Story) -> None:
    grown(story)
    story.run(300)
    assert story.guest.plugs == [3]
    assert len(story.guest.online) == 3


def test_a_guest_that_onlines_by_itself_needs_no_help(story: Story) -> None:
    story.guest.set(onlines_itself=True, onlines=False)
    grown(story)


def test_a_guest_that_never_onlines_is_reported_and_asked_again_later(story: Story) -> None:
    story.guest.set(onlines=False, demand=1.8)
    story.run(34)
    assert "runs 1 vCPUs" in story.conditions[Condition.STUCK]
    assert story.reason is Reason.BACK_OFF
    story.guest.set(onlines=True)
    story.run(60)
    assert len(story.guest.online) == 3
    assert Condition.STUCK not in story.conditions


def test_a_guest_that_never_lists_its_vcpu_is_told_from_one_that_does_not_online_it(story: Story) -> None:
    story.guest.set(lists=False, demand=1.8)
    story.run(40)
    assert "does not list" in story.conditions[Condition.STUCK]


def test_a_refused_plug_waits_until_its_cause_changes(story: Story) -> None:
    story.guest.set(plug_error=Denied("no"), demand=1.8)
    story.run(10)
    assert story.conditions[Condition.DENIED].startswith("no; it is tried again within 5 minutes, or once")
    assert story.reason is Reason.DENIED
    story.guest.set(plug_error=None)
    story.run(10)
    assert story.guest.plugs == []
    story.guest.set(maximum=8)
    story.run(3)
    assert story.guest.plugs == [3]


def test_a_lost_reply_is_looked_at_and_not_repeated(story: Story) -> None:
    story.guest.set(plug_reply_lost=OutcomeUnknown("the connection broke"))
    grown(story)
    assert story.guest.plugs == [3]
    assert story.simulation.domain("web-1").tally.failures == {(Direction.UP, UNKNOWN): 1}
    assert Condition.UNKNOWN not in story.conditions


def test_what_became_of_a_plug_is_told_as_unknown_until_a_look_shows_it(story: Story) -> None:
    story.run(3)
    story.guest.set(plug_reply_lost=OutcomeUnknown("the connection broke"), demand=1.8)
    while not story.guest.plugs:
        story.run(0.05)
    story.host.down = "the daemon is away"
    story.run(5)
    assert "was lost" in story.conditions[Condition.UNKNOWN]
    assert story.outcomes() == [None], "it is no end"
    story.host.down = None
    story.run(15)
    assert Condition.UNKNOWN not in story.conditions
    assert len(story.guest.online) == 3
    assert story.guest.plugs == [3]


def test_an_agent_that_stops_answering_keeps_the_guest_as_it_is(story: Story) -> None:
    grown(story)
    story.guest.set(agent_error=AgentUnresponsive("silence"), demand=0.0)
    story.run(120)
    assert len(story.guest.online) == 3
    assert story.reason is Reason.MISSING
    assert story.conditions[Condition.NO_SAMPLE] == "silence"


def test_a_guest_silent_for_too_long_is_raised_where_the_policy_says_so(tmp_path: Path) -> None:
    rule = MissingRule(stale_after_s=10, then=Fallback.RAISE_TO, raise_to_vcpus=3)
    story = Story(tmp_path, replace(POLICY, missing=rule))
    story.run(3)
    story.guest.set(agent_error=AgentUnresponsive("silence"))
    story.run(9)
    assert story.guest.plugs == []
    story.run(4)
    assert story.guest.plugs == [3]


def test_stolen_time_blocks_growth_and_says_so(story: Story) -> None:
    story.run(3)
    story.guest.set(demand=1.8, stolen=0.15)
    story.run(10)
    assert story.reason is Reason.STOLEN
    assert story.guest.plugs == []


def test_growth_stops_at_the_maximum_and_names_the_line_that_raises_it(tmp_path: Path) -> None:
    story = Story(tmp_path, replace(POLICY, max_vcpus=None), maximum=2)
    story.guest.set(demand=6.0)
    story.run(10)
    assert story.guest.plugged == 2
    assert story.reason is Reason.AT_MAX
    assert "virsh -c sim setvcpus web-1 6" in story.conditions[Condition.NO_HEADROOM]


@pytest.mark.parametrize("mode", [Mode.RECOMMEND, Mode.OFF])
def test_a_mode_that_may_not_act_does_not(tmp_path: Path, mode: Mode) -> None:
    story = Story(tmp_path, replace(POLICY, mode=mode))
    story.guest.set(demand=1.8)
    story.run(20)
    assert story.guest.plugs == []


def test_up_only_grows_and_never_shrinks(tmp_path: Path) -> None:
    story = grown(Story(tmp_path, replace(POLICY, mode=Mode.UP_ONLY)))
    story.guest.set(demand=0.0)
    story.run(60)
    assert len(story.guest.online) == 3
    assert story.reason is Reason.UP_ONLY


def test_a_guest_without_an_agent_is_measured_and_not_resized(story: Story) -> None:
    story.guest.set(host_only=True, demand=3.0)
    story.run(10)
    assert story.guest.plugs == []
    assert story.reason is Reason.UNCONFIRMED
    assert Condition.UNCONFIRMED in story.conditions


def test_a_guest_whose_agent_went_away_is_missing_though_the_host_still_sees_it(tmp_path: Path) -> None:
    rule = MissingRule(stale_after_s=10, then=Fallback.RAISE_TO, raise_to_vcpus=3)
    story = Story(tmp_path, replace(POLICY, missing=rule))
    story.run(3)
    story.guest.set(host_only=True)
    story.run(5)
    assert story.reason is Reason.MISSING
    assert "answered before" in story.conditions[Condition.NO_SAMPLE]
    story.run(8)
    assert story.guest.plugs == [3]


def test_a_reboot_is_no_demand_and_no_shrink(story: Story) -> None:
    grown(story)
    story.guest.reboot()
    story.run(3)
    assert len(story.guest.online) == 3


def test_a_paused_guest_is_left_alone(story: Story) -> None:
    grown(story)
    story.guest.set(state=RunState.PAUSED)
    story.run(60)
    assert story.reason is Reason.NOT_RUNNING
    story.guest.set(state=RunState.RUNNING, demand=0.1)
    story.run(40)
    assert len(story.guest.online) == 1


def test_a_stopped_domain_is_forgotten_and_a_started_one_is_followed(story: Story) -> None:
    story.run(2)
    story.host.stop(story.guest)
    story.run(2)
    assert story.simulation.snapshot.domains == ()
    assert story.host.forgotten == [story.guest.id]
    story.host.add(SimulatedGuest("web-2", story.clock, demand=1.8))
    story.run(5)
    assert len(story.simulation.domain("web-2").view.id.uuid) > 0
    assert story.simulation.domain("web-2").online == 3


def test_a_lost_connection_keeps_what_is_known_and_recovers(story: Story) -> None:
    grown(story)
    story.host.down = "libvirtd is away"
    story.run(20)
    assert story.conditions[Condition.NO_SAMPLE] == "libvirtd is away"
    assert story.simulation.snapshot.hosts[0].trouble == "libvirtd is away"
    assert len(story.guest.online) == 3
    story.host.down = None
    story.guest.set(demand=0.1)
    story.run(40)
    assert len(story.guest.online) == 1


def test_a_connection_lost_during_a_plug_ends_the_operation_and_growth_comes_later(story: Story) -> None:
    story.run(3)
    story.guest.set(demand=1.8, plug_error=BackendUnavailable("gone"))
    story.run(3)
    story.guest.set(plug_error=None)
    story.run(15)
    assert len(story.guest.online) == 3
    assert story.outcomes()[0] == Outcome.FAILED


def test_a_hung_guest_delays_no_other(tmp_path: Path) -> None:
    clock = SimulatedClock()
    guests = [SimulatedGuest(f"web-{number}", clock) for number in range(3)]
    simulation = Simulation(SimulatedHost(clock, guests), [POLICY], folder=tmp_path)
    simulation.hung.add("web-0")
    simulation.run(3)
    guests[1].set(demand=1.8)
    simulation.run(4)
    assert len(guests[1].online) == 3
    missing = simulation.domain("web-0").decision
    assert missing is not None
    assert missing.missing is not None
    assert missing.missing.reason is MissingReason.LATE
    rounds = [
        after.wall_s - before.wall_s
        for before, after in zip(simulation.snapshots[2:], simulation.snapshots[3:], strict=False)
    ]
    assert max(rounds) < 1.01


def test_a_lowered_maximum_is_reached_in_steps(story: Story) -> None:
    grown(story)
    story.simulation.controller.apply(PolicySet(policies=(replace(POLICY, max_vcpus=1),), digest="new"))
    story.run(1.5)
    assert len(story.guest.online) == 3
    story.run(30)
    assert len(story.guest.online) == 1


def test_a_policy_that_no_longer_fits_lets_its_domain_go(story: Story) -> None:
    grown(story)
    story.simulation.controller.apply(PolicySet())
    story.guest.set(demand=0.0)
    story.run(60)
    assert len(story.guest.online) == 3
    assert [view.name for view in story.simulation.snapshot.ungoverned] == ["web-1"]


def test_a_floor_that_is_lowered_again_leaves_nothing_to_be_held(story: Story) -> None:
    story.run(20)
    raised = replace(POLICY, min_vcpus=3, strategy=TargetStrategy(utilization_ratio=0.70, hold_s=3600))
    story.simulation.controller.apply(PolicySet(policies=(raised,), digest="raised"))
    story.run(20)
    assert (len(story.guest.online), story.reason) == (3, Reason.AT_MIN)
    lowered = replace(raised, min_vcpus=1)
    story.simulation.controller.apply(PolicySet(policies=(lowered,), digest="lowered"))
    story.run(20)
    assert len(story.guest.online) == 1


def test_a_change_that_failed_and_is_wanted_no_more_is_no_condition_any_longer(story: Story) -> None:
    story.run(3)
    story.guest.set(plug_error=Denied("no"), demand=1.8)
    story.run(5)
    assert Condition.DENIED in story.conditions
    story.guest.set(demand=0.2)
    story.run(15)
    assert story.conditions == {}
