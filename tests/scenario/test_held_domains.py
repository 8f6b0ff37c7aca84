"""Stories of a domain that something holds, moves or takes away: it is left alone, and served afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.deadlines import Deadlines
from autoscaler.core.model import RunState
from autoscaler.core.policy import DownLimits, Fallback, Match, MissingRule, Policy, TargetStrategy
from autoscaler.core.reason import Reason
from autoscaler.errors import DomainBusy, DomainFrozen
from autoscaler.service.snapshot import DomainSnapshot
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

POLICY = Policy(
    name="web",
    match=Match(name=("web-*",)),
    max_vcpus=4,
    strategy=TargetStrategy(utilization_ratio=0.70, tolerance_ratio=0.10, hold_s=10),
    down=DownLimits(step_vcpus=1, cooldown_s=5),
    missing=MissingRule(stale_after_s=10, then=Fallback.RAISE_TO, raise_to_vcpus=4),
)
FROZEN = DomainFrozen("the filesystems of domain web-1 are frozen")


class Story:
    """One guest that was grown to three vCPUs."""

    def __init__(self, folder: Path, policy: Policy = POLICY) -> None:
        self.clock = SimulatedClock()
        self.guest = SimulatedGuest("web-1", self.clock)
        self.host = SimulatedHost(self.clock, [self.guest])
        self.simulation = Simulation(self.host, [policy], folder=folder)
        self.run = self.simulation.run
        self.run(3)
        self.guest.set(demand=1.8)
        self.run(8)
        assert len(self.guest.online) == 3

    @property
    def domain(self) -> DomainSnapshot:
        (domain,) = self.simulation.snapshot.domains
        return domain

    @property
    def reason(self) -> Reason:
        assert self.domain.decision is not None
        return self.domain.decision.reason


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_a_guest_that_qemu_paused_over_a_disk_says_why_it_is_not_seen_and_is_left_as_it_is(
    story: Story,
) -> None:
    story.guest.set(state=RunState.IO_ERROR)
    story.run(60)
    assert (story.domain.online, story.guest.online, story.reason) == (3, {0, 1, 2}, Reason.NOT_RUNNING)
    assert story.domain.conditions[Condition.NO_SAMPLE] == (
        "domain 'web-1' was paused by QEMU, for the image of a disk cannot be read or written (is its file "
        "system full?): `virsh -c sim domblkerror web-1` names the disk; mend that, then "
        "`virsh -c sim resume web-1` lets it go on"
    )


@pytest.mark.parametrize(("demand", "afterwards"), [(3.5, 4), (0.2, 1)], ids=["growth", "shrink"])
@pytest.mark.parametrize("job", ["migration", "backup", "snapshot"])
def test_a_job_holds_its_domain_says_so_and_is_over(
    story: Story, job: str, demand: float, afterwards: int
) -> None:
    story.guest.set(job=job, demand=demand)
    story.run(30)
    assert (len(story.guest.online), story.reason) == (3, Reason.HELD)
    assert (
        f"while a {job} goes on: see `virsh -c sim domjobinfo web-1`"
        in story.domain.conditions[Condition.HELD]
    )
    assert story.domain.load is not None  # measured all the while
    story.guest.set(job="")
    story.run(40)
    assert len(story.guest.online) == afterwards
    assert story.domain.conditions == {}


def test_a_migration_that_is_aborted_was_a_pause_and_growth_comes_right_after(story: Story) -> None:
    plugs, operations = list(story.guest.plugs), dict(story.domain.tally.operations)
    story.guest.set(job="migration", demand=3.5)
    story.run(60)
    assert (story.guest.plugs, story.domain.tally.operations) == (plugs, operations)
    assert story.domain.operation is None
    story.guest.set(job="")
    story.run(5)
    assert (story.guest.plugs, len(story.guest.online)) == ([*plugs, 4], 4)
    assert story.domain.tally.failures == {}


def test_a_job_that_holds_a_domain_keeps_what_it_wants_in_sight(story: Story) -> None:
    story.guest.set(job="backup", demand=3.5)
    story.run(5)
    assert story.domain.decision is not None
    assert story.domain.decision.target == 4


def test_a_plug_that_meets_a_job_is_tried_again_when_it_is_over(story: Story) -> None:
    story.guest.set(demand=3.5, plug_error=DomainBusy("domain web-1 is held by another job"))
    story.run(5)
    story.guest.set(job="migration", plug_error=None)
    story.run(20)
    assert story.guest.plugs == [3]
    story.guest.set(job="")
    story.run(10)
    assert story.guest.plugs == [3, 4]


@pytest.mark.parametrize(
    "held",
    [{"agent_error": FROZEN}, {"job": "backup"}, {"state": RunState.PAUSED}],
    ids=["freeze", "job", "pause"],
)
def test_what_holds_a_domain_in_the_middle_of_a_change_stops_its_clock_and_is_no_failure(
    story: Story, held: dict[str, object]
) -> None:
    before = {name: getattr(story.guest, name) for name in held}
    story.guest.set(demand=3.5, onlines=False)
    story.run(5)
    assert (story.guest.plugs, len(story.guest.online)) == ([3, 4], 3)
    story.guest.set(onlines=True, **held)
    story.run(300)
    assert len(story.guest.online) == 3
    assert not story.domain.conditions.keys() & {Condition.STUCK, Condition.FAILED}
    story.guest.set(**before)
    story.run(5)
    assert (story.guest.plugs, len(story.guest.online)) == ([3, 4], 4)
    assert story.domain.tally.failures == {}
    assert story.domain.conditions.keys() <= {Condition.AT_RISK}, "it was short for minutes"


def test_a_guest_that_does_not_follow_after_a_freeze_either_is_stuck_in_its_time(story: Story) -> None:
    story.guest.set(demand=3.5, onlines=False)
    story.run(10)
    story.guest.set(agent_error=FROZEN)
    story.run(100)
    story.guest.set(agent_error=None)
    story.run(15)
    assert Condition.STUCK not in story.domain.conditions
    story.run(10)
    assert Condition.STUCK in story.domain.conditions


def test_the_time_of_a_freeze_teaches_nothing_of_how_long_a_change_takes(story: Story) -> None:
    story.guest.set(demand=3.5, onlines=False)
    story.run(3)
    story.guest.set(agent_error=FROZEN, onlines=True)
    story.run(200)
    story.guest.set(agent_error=None)
    story.run(5)
    assert len(story.guest.online) == 4
    growth = story.domain.last_operation or story.domain.operation
    assert growth is not None
    assert growth.stages_s()["online"] > 200
    deadlines = Deadlines()
    for _ in range(40):
        deadlines.note_all(growth)
    assert deadlines.in_force_s == Deadlines().in_force_s


def test_a_frozen_guest_is_left_as_it_is_and_its_agent_is_not_blamed(story: Story) -> None:
    story.guest.set(agent_error=FROZEN, demand=3.5)
    story.run(60)  # longer than a sample may be missing before the policy would raise it
    assert (len(story.guest.online), story.reason) == (3, Reason.FROZEN)
    assert story.domain.conditions == {Condition.HELD: str(FROZEN)}
    assert story.domain.tally.agent_errors == {}
    assert story.domain.tally.failures == {}
    story.guest.set(agent_error=None)
    story.run(10)
    assert len(story.guest.online) == 4
    assert story.domain.conditions == {}


def test_a_frozen_guest_that_looks_idle_afterwards_has_not_lost_its_hold(story: Story) -> None:
    story.guest.set(agent_error=FROZEN)
    story.run(5)
    story.guest.set(agent_error=None)
    story.run(2)
    assert len(story.guest.online) == 3


def test_a_domain_that_is_renamed_is_the_same_domain(story: Story) -> None:
    uuid, views = story.domain.view.id, story.host.domains
    story.host.domains = lambda: [  # type: ignore[method-assign]
        replace(view, name="web-renamed") for view in views()
    ]
    story.run(5)
    assert (story.domain.label, story.domain.view.id) == ("web-renamed", uuid)
    assert story.domain.tally.operations != {}
    assert Condition.BY_HAND not in story.domain.conditions


def test_a_domain_that_was_saved_and_restored_keeps_what_it_had(story: Story) -> None:
    story.host.stop(story.guest)
    story.run(30)
    assert story.simulation.snapshot.domains == ()
    story.host.add(story.guest)
    story.run(8)
    assert len(story.guest.online) == 3
    assert Condition.BY_HAND not in story.domain.conditions


@pytest.mark.parametrize("state", [RunState.PAUSED, RunState.OTHER], ids=["paused", "in transition"])
def test_a_domain_that_does_not_run_is_looked_at_and_never_touched(story: Story, state: RunState) -> None:
    story.guest.set(state=state, demand=3.5)
    story.run(60)
    assert (len(story.guest.online), story.reason) == (3, Reason.NOT_RUNNING)
    story.guest.set(state=RunState.RUNNING)
    story.run(10)
    assert len(story.guest.online) == 4
