"""The policies that come with the service, each in the story that it is made for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from autoscaler.core.decision import Verdict
from autoscaler.core.policy import Policy
from autoscaler.core.reason import Reason
from autoscaler.errors import AgentUnresponsive
from autoscaler.policyfile import load_policies
from autoscaler.service.settings import HostLimits
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import ROOMY, Simulation

POLICIES = Path(__file__).parents[2] / "policies"
MINUTE_S, HOUR_S = 60.0, 3600.0
MONDAY_10 = datetime(2026, 3, 9, 10, 0, tzinfo=ZoneInfo("Europe/Berlin"))
TIGHT = HostLimits(overcommit=1.0, operations_per_minute=6000)


def shipped(*names: str) -> list[Policy]:
    loaded = load_policies([POLICIES / f"{name}.yaml" for name in names])
    assert loaded.errors == ()
    assert loaded.policy_set is not None
    return list(loaded.policy_set.policies)


class Story:
    """Guests under shipped policies, sampled every 5 s as by default, from a Monday morning on."""

    def __init__(
        self, folder: Path, *policies: str, guests: dict[str, int], cpus: int = 64, limits: HostLimits = ROOMY
    ) -> None:
        """`guests` maps each name to its maximum."""
        self.clock = SimulatedClock()
        self.clock.wall_offset_s += MONDAY_10.timestamp() - self.clock.wall_s()
        self.guests = {
            name: SimulatedGuest(name, self.clock, plugged=2, maximum=maximum)
            for name, maximum in guests.items()
        }
        self.host = SimulatedHost(self.clock, list(self.guests.values()))
        self.host.cpus = cpus
        self.simulation = Simulation(
            self.host, shipped(*policies), folder=folder, interval_s=5.0, limits=limits
        )
        self.run = self.simulation.run

    def online(self, name: str) -> int:
        return len(self.guests[name].online)

    def reason(self, name: str) -> Reason:
        decision = self.simulation.domain(name).decision
        assert decision is not None
        return decision.reason

    def smallest(self, name: str, seconds: float) -> int:
        """The fewest vCPUs that a guest has had in this time."""
        found = self.online(name)
        for _ in range(round(seconds / 5)):
            self.run(5)
            found = min(found, self.online(name))
        return found


def test_web_follows_its_visitors_within_a_minute_and_keeps_vcpus_for_the_next_ones(tmp_path: Path) -> None:
    story = Story(tmp_path, "web", guests={"web-1": 8})
    story.run(20 * MINUTE_S)
    story.guests["web-1"].set(demand=4.0)
    story.run(MINUTE_S)
    assert story.online("web-1") >= 5
    story.guests["web-1"].set(demand=0.3)
    assert story.smallest("web-1", 8 * MINUTE_S) >= 5
    assert story.smallest("web-1", 4 * HOUR_S) == 2


def test_web_holds_its_service_level_over_a_day_of_bursts_with_less_than_its_most_vcpus(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path, "web", guests={"web-1": 8})
    vcpu_s = 0.0
    for number in range(24 * 4):
        story.guests["web-1"].set(demand=3.0 if number % 4 == 0 else 0.8)
        for _ in range(15):
            story.run(MINUTE_S)
            vcpu_s += MINUTE_S * story.online("web-1")
    found = story.simulation.domain("web-1").slo
    assert found.attained_ratio is not None
    assert found.attained_ratio >= 0.98
    assert vcpu_s < 0.8 * 8 * 24 * HOUR_S


def test_web_that_cannot_be_seen_is_raised_to_a_safe_count(tmp_path: Path) -> None:
    story = Story(tmp_path, "web", guests={"web-1": 8})
    story.run(2 * HOUR_S)
    assert story.online("web-1") == 2
    story.guests["web-1"].set(agent_error=AgentUnresponsive("silence"), onlines_itself=True)
    story.run(25)
    assert story.online("web-1") == 2
    story.run(20)
    assert story.guests["web-1"].plugs == [4]
    story.guests["web-1"].advance()
    assert story.online("web-1") == 4


def test_a_database_gives_nothing_back_in_office_hours_and_does_so_slowly_at_night(tmp_path: Path) -> None:
    story = Story(tmp_path, "database", guests={"db-1": 16})
    story.guests["db-1"].set(demand=8.0)
    story.run(10 * MINUTE_S)
    large = story.online("db-1")
    assert large >= 8
    story.guests["db-1"].set(demand=0.5)
    assert story.smallest("db-1", 8 * HOUR_S) == large
    assert story.reason("db-1") is Reason.UP_ONLY
    story.run(2 * HOUR_S)  # it is past seven in the evening by now
    night = story.online("db-1")
    assert 4 <= night < large
    assert large - night <= 2 * HOUR_S / (15 * MINUTE_S)


def test_batch_gives_way_to_the_web_on_a_full_host_and_takes_what_is_left(tmp_path: Path) -> None:
    story = Story(tmp_path, "web", "batch", guests={"web-1": 8, "batch-1": 16}, cpus=10, limits=TIGHT)
    story.guests["batch-1"].set(demand=16.0)
    story.run(30 * MINUTE_S)
    assert story.online("batch-1") == 8
    story.guests["web-1"].set(demand=4.0)
    story.run(10 * MINUTE_S)
    web = story.online("web-1")
    assert web >= 5
    assert story.online("batch-1") == 10 - web


def test_licensed_software_never_runs_more_than_was_paid_for(tmp_path: Path) -> None:
    story = Story(tmp_path, "licensed", guests={"licensed-1": 16})
    story.guests["licensed-1"].set(demand=12.0)
    for _ in range(60):
        story.run(MINUTE_S)
        assert story.guests["licensed-1"].plugged <= 4
    assert story.online("licensed-1") == 4
    assert story.reason("licensed-1") is Reason.AT_MAX


@pytest.mark.parametrize("demand", [0.1, 6.0])
def test_observe_says_what_it_would_do_and_changes_nothing(tmp_path: Path, demand: float) -> None:
    story = Story(tmp_path, "observe", guests={"anything": 8})
    story.guests["anything"].set(demand=demand)
    story.run(HOUR_S)
    domain = story.simulation.domain("anything")
    assert (story.online("anything"), story.guests["anything"].plugs) == (2, [])
    assert dict(domain.tally.operations) == {}
    assert domain.decision is not None
    assert domain.decision.verdict is (Verdict.GROW if demand > 2 else Verdict.SHRINK)
    assert domain.slo.good + domain.slo.bad >= 58
