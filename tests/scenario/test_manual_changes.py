"""Stories of vCPUs that somebody else changes: noticed at once, respected for a time, then adopted."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.model import DomainId
from autoscaler.core.policy import DownLimits, ManualChange, Match, Policy, TargetStrategy
from autoscaler.core.reason import Reason
from autoscaler.errors import AgentUnresponsive
from autoscaler.service.journal_reader import events
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

Change = Callable[[SimulatedGuest], None]
RESPECT_S = 600.0
POLICY = Policy(
    name="web",
    match=Match(name=("web-*",)),
    strategy=TargetStrategy(utilization_ratio=0.70, tolerance_ratio=0.10, hold_s=30),
    down=DownLimits(step_vcpus=1, cooldown_s=5),
    manual_change=ManualChange(respect_for_s=RESPECT_S),
)


class Story:
    """One guest of 3 vCPUs that needs them, with room for 6."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SimulatedClock()
        self.guest = SimulatedGuest("web-1", self.clock, plugged=3, maximum=6, demand=1.9)
        self.host = SimulatedHost(self.clock, [self.guest])
        self.start()

    def start(self) -> None:
        self.simulation = Simulation(self.host, [POLICY], folder=self.folder)
        self.run = self.simulation.run

    def restart(self, *, away_s: float = 1.0, killed: bool = True, meanwhile: Change | None = None) -> None:
        """End the service, as SIGKILL does, that flushes nothing, or as SIGTERM; then start it."""
        if killed:
            self.simulation.journal._db.close()
        else:
            self.simulation.controller.keep_all()
            self.simulation.journal.close()
        self.clock.now_s += away_s
        if meanwhile is not None:
            meanwhile(self.guest)
        self.start()

    @property
    def by_hand(self) -> bool:
        return Condition.BY_HAND in self.simulation.domain("web-1").conditions

    def reasons(self) -> set[object]:
        return {event["reason"] for event in events(self.folder / "journal.sqlite", limit=1000)}

    @property
    def reason(self) -> Reason:
        decision = self.simulation.domain("web-1").decision
        assert decision is not None
        return decision.reason


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = Story(tmp_path)
    story.run(20)
    return story


def setvcpus_up(guest: SimulatedGuest) -> None:
    guest.plug(5)


def setvcpus_up_and_online(guest: SimulatedGuest) -> None:
    guest.plug(5)
    guest.online = {0, 1, 2, 3, 4}


def setvcpus_down(guest: SimulatedGuest) -> None:
    guest.advance()
    guest.plugged, guest.online = 2, {0, 1}
    guest._listed_at_s.pop(2)


def offlined_within(guest: SimulatedGuest) -> None:
    guest.advance()
    guest.online = {0, 1}


CHANGES: tuple[Change, ...] = (setvcpus_up, setvcpus_up_and_online, setvcpus_down, offlined_within)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed_within_one_tick_respected_and_then_adopted(story: Story, change: Change) -> None:
    change(story.guest)
    online = len(story.guest.online)
    story.run(1)
    assert story.by_hand
    story.guest.set(demand=float(online) if online < 3 else 0.1)
    story.run(RESPECT_S - 5)
    assert len(story.guest.online) == online
    assert story.reason is Reason.BY_HAND
    story.run(10)
    assert not story.by_hand
    story.guest.set(demand=0.1)
    story.run(15)
    if online > 2:
        assert (len(story.guest.online), story.reason) == (online, Reason.HOLD)
    story.run(120)
    assert len(story.guest.online) == 1


@pytest.fixture
def spare(story: Story) -> Story:
    """The guest runs two of its three vCPUs."""
    story.guest.set(demand=1.0)
    story.run(60)
    assert story.guest.online == {0, 1}
    assert not story.by_hand
    return story


def test_as_many_vcpus_and_other_ones_are_noticed_and_left_alone(spare: Story) -> None:
    spare.guest.set(online={0, 2})
    spare.run(1)
    assert spare.by_hand
    spare.guest.set(demand=2.0)
    spare.run(RESPECT_S - 5)
    assert (spare.guest.online, spare.reason) == ({0, 2}, Reason.BY_HAND)
    spare.run(20)
    assert (spare.guest.online, spare.by_hand) == ({0, 1, 2}, False)


def test_a_guest_that_runs_as_many_others_from_its_next_boot_on_was_changed_by_nobody(spare: Story) -> None:
    spare.guest.reboot()
    spare.guest.set(online={0, 2})
    spare.run(5)
    assert not spare.by_hand


def test_as_many_others_are_put_down_to_a_change_of_ours_that_is_under_way(spare: Story) -> None:
    spare.guest.set(demand=1.9, onlines=False)
    spare.run(3)
    operation = spare.simulation.domain("web-1").operation
    assert operation is not None
    assert not operation.settled
    spare.guest.set(online={0, 2})
    spare.run(2)
    assert not spare.by_hand


def test_a_plugged_count_that_changes_while_the_agent_is_silent_is_noticed_too(story: Story) -> None:
    story.guest.set(agent_error=AgentUnresponsive("silence"))
    story.run(3)
    story.guest.plug(5)
    story.run(1)
    assert story.by_hand


def test_a_change_that_somebody_else_makes_during_one_of_ours_is_noticed(story: Story) -> None:
    story.guest.set(demand=2.7, lists_after_s=8.0)
    while len(story.guest.plugs) == 0:
        story.run(0.1)
    assert story.guest.plugged == 4
    story.run(2)
    assert not story.by_hand
    story.guest.plug(6)
    story.run(1)
    assert story.by_hand


def test_a_change_that_somebody_else_makes_after_one_of_ours_failed_is_noticed(story: Story) -> None:
    story.guest.set(demand=2.7, onlines=False)
    story.run(40)
    assert Condition.STUCK in story.simulation.domain("web-1").conditions
    assert not story.by_hand
    story.guest.plug(6)
    story.run(1)
    assert story.by_hand


def test_a_failed_change_of_ours_that_lands_late_is_nobodys(story: Story) -> None:
    story.guest.set(demand=2.7, onlines=False)
    story.run(40)
    story.guest.advance()
    story.guest.online = {0, 1, 2, 3}
    story.run(2)
    assert not story.by_hand


def test_what_was_noticed_is_respected_for_the_rest_of_its_time_after_a_restart(story: Story) -> None:
    offlined_within(story.guest)
    story.run(2)
    story.restart(away_s=60.0)
    story.run(5)
    assert story.by_hand
    assert story.reason is Reason.BY_HAND
    story.run(RESPECT_S - 60 - 20)
    assert (len(story.guest.online), story.by_hand) == (2, True)
    story.run(30)
    assert (len(story.guest.online), story.by_hand) == (3, False)


def test_a_time_of_respect_that_ends_while_the_service_is_away_is_over_when_it_starts(story: Story) -> None:
    offlined_within(story.guest)
    story.run(2)
    story.restart(away_s=RESPECT_S)
    story.run(5)
    assert (len(story.guest.online), story.by_hand) == (3, False)


def test_a_domain_that_was_stopped_and_started_is_not_as_somebody_set_it(story: Story) -> None:
    story.guest.plug(5)
    story.run(2)
    assert story.by_hand
    story.host.stop(story.guest)
    story.run(2)
    story.host.add(SimulatedGuest("web-1", story.clock, plugged=3, maximum=6, demand=1.9))
    story.run(2)
    assert not story.by_hand


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_while_the_service_is_away_is_noticed_when_it_starts(
    story: Story, change: Change, *, killed: bool
) -> None:
    story.run(150)  # what is learned is on the disk
    story.restart(away_s=300.0, killed=killed, meanwhile=change)
    online = len(story.guest.online)
    story.run(2)
    assert story.by_hand
    story.guest.set(demand=float(online) if online < 3 else 0.1)
    story.run(RESPECT_S - 5)
    assert (len(story.guest.online), story.reason) == (online, Reason.BY_HAND)
    story.run(10)
    assert not story.by_hand


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed_after_a_kill_within_the_first_minute(story: Story, change: Change) -> None:
    story.restart(meanwhile=change)
    story.run(2)
    assert story.by_hand


def test_a_change_is_noticed_that_follows_a_kill_soon_after_one_of_ours(story: Story) -> None:
    story.guest.set(demand=2.7)
    story.run(10)
    assert len(story.guest.online) == 4
    story.restart(meanwhile=offlined_within)
    story.run(2)
    assert story.by_hand


def test_a_change_is_noticed_that_follows_a_kill_soon_after_a_boot_of_the_guest(story: Story) -> None:
    story.run(150)
    story.guest.reboot()
    story.run(5)
    story.restart(meanwhile=offlined_within)
    story.run(2)
    assert story.by_hand


def test_counts_that_do_not_change_are_not_written_down_again(story: Story) -> None:
    journal = story.simulation.journal
    kept: list[DomainId] = []
    keep = journal.keep

    def noted(
        domain: DomainId,
        learned: Callable[[], Mapping[str, object]],
        *,
        wall_s: float,
        at_once: bool = False,
    ) -> None:
        kept.append(domain)
        keep(domain, learned, wall_s=wall_s, at_once=at_once)

    journal.keep = noted  # type: ignore[method-assign]
    story.run(30)
    assert kept == []


def test_a_guest_that_was_booted_anew_while_the_service_was_away_is_as_it_came_up(story: Story) -> None:
    offlined_within(story.guest)
    story.run(RESPECT_S + 150)
    assert (len(story.guest.online), story.by_hand) == (3, False)

    def reboot(guest: SimulatedGuest) -> None:
        guest.plug(5)
        guest.reboot()

    story.restart(away_s=60.0, killed=False, meanwhile=reboot)
    story.run(5)
    assert not story.by_hand


def test_a_domain_that_was_elsewhere_meanwhile_is_governed_at_once_when_it_comes_back(story: Story) -> None:
    story.host.stop(story.guest)
    story.run(10)
    story.guest.plug(5)
    story.host.add(story.guest)
    story.run(5)
    assert not story.by_hand


def test_changes_of_ours_are_nobody_elses_whenever_the_service_ends(story: Story) -> None:
    chance = random.Random(8)
    for _ in range(120):
        story.guest.set(
            demand=chance.choice((0.2, 1.0, 1.9, 2.7, 3.9)), lists_after_s=chance.uniform(0.0, 3.0)
        )
        story.run(chance.choice((0.5, 3.0, 20.0, 70.0)) * chance.random())
        assert not story.by_hand
        story.restart(away_s=chance.choice((0.1, 2.0, 30.0, 100.0)), killed=chance.random() < 0.5)
    assert len(story.guest.plugs) > 1
    assert {"changed-by-hand"} & story.reasons() == set()
