"""Stories of service levels and learned targets under the real controller, restarts and reloads included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.core.adaptive import AdaptiveTrace
from autoscaler.core.condition import Condition
from autoscaler.core.orders import EVERY, Order, OrderKind
from autoscaler.core.policy import AdaptiveStrategy, DownLimits, Match, Mode, Policy, PolicySet, Sla
from autoscaler.core.slo import SloReport
from autoscaler.errors import AgentUnresponsive
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

POLICY = Policy(
    name="web",
    match=Match(name=("web-*",)),
    max_vcpus=4,
    sla=Sla(slice_s=10.0, objective_ratio=0.95, window_s=86400.0),
    strategy=AdaptiveStrategy(),
    down=DownLimits(cooldown_s=5),
)


class Story:
    """One guest that may be taken over by another run of the service."""

    def __init__(self, folder: Path, policy: Policy = POLICY) -> None:
        self.folder = folder
        self.clock = SimulatedClock()
        self.guest = SimulatedGuest("web-1", self.clock, maximum=4)
        self.host = SimulatedHost(self.clock, [self.guest])
        self.policy = policy
        self.simulation = Simulation(self.host, [policy], folder=folder, interval_s=2.0)

    def run(self, seconds: float) -> SloReport:
        self.simulation.run(seconds)
        return self.simulation.domain("web-1").slo

    @property
    def conditions(self) -> dict[Condition, str]:
        return dict(self.simulation.domain("web-1").conditions)

    def restart(self, *, gracefully: bool, away_s: float = 0.0) -> None:
        """End the service, cleanly or not, and start another one after a while."""
        if gracefully:
            self.simulation.controller.keep_all()
            self.simulation.journal.close()
        else:
            self.simulation.journal._db.close()  # whatever was not written yet is lost
        self.clock.now_s += away_s
        self.simulation = Simulation(self.host, [self.policy], folder=self.folder, interval_s=2.0)

    @property
    def trace(self) -> dict[str, float]:
        decision = self.simulation.domain("web-1").decision
        assert decision is not None
        assert isinstance(decision.trace, AdaptiveTrace)
        return {"risk": decision.trace.risk_ratio, "bad": decision.trace.bad_slices}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_slices_of_a_guest_that_has_what_it_needs_are_good(story: Story) -> None:
    found = story.run(101)
    assert (found.bad, found.budget_remaining_ratio) == (0, 1.0)
    assert found.good >= 9
    assert found.attained_ratio == 1.0


def test_slices_of_a_guest_that_cannot_grow_further_are_bad_and_burn_the_budget(story: Story) -> None:
    story.guest.set(demand=8.0)
    found = story.run(200)
    assert found.bad >= 15
    assert found.budget_remaining_ratio < 1.0
    burn = found.burn_rates["5m"]
    assert burn is not None
    assert burn > 10


def test_a_promise_that_is_broken_is_a_condition_with_what_binds_until_the_load_is_served(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    story.run(600)
    story.guest.set(demand=8.0)
    story.run(30)
    assert set(story.conditions) == {Condition.AT_RISK}, "a few bad slices are no broken promise"
    story.run(3600)
    told = story.conditions[Condition.BREAKING]
    assert told.startswith("it runs all 4 vCPUs that the domain can have and wants ")
    assert "raise vcpus.max in policy 'web' to 9 and the domain's maximum (4) to 9 by `virsh" in told
    story.guest.set(demand=0.3)
    story.run(60)
    assert story.conditions[Condition.BREAKING].startswith("served now, broke its promise until ")
    story.run(1800)
    assert story.conditions == {}
    said = [
        line
        for line in caplog.messages
        if "-sla" in line or "promise" in line or " promised" in line or "at-risk" in line
    ]
    assert len(said) == 2, "when it begins and when it ends, whatever its figures"
    assert said[1] == "web-1: no longer breaking-sla"


@pytest.mark.parametrize(
    ("mode", "part"),
    [(Mode.RECOMMEND, "give policy 'web' the mode auto"), (Mode.AUTO, "`autoscaler resume --all` ends that")],
    ids=["recommend", "paused"],
)
def test_a_promise_is_broken_as_well_where_nothing_may_be_done_about_it(
    tmp_path: Path, mode: Mode, part: str
) -> None:
    story = Story(tmp_path, replace(POLICY, mode=mode))
    if mode is Mode.AUTO:
        pause = Order(domain=EVERY, name="", kind=OrderKind.PAUSE, by_uid=0, at_wall_s=0.0)
        story.simulation.controller.give(pause)
    story.guest.set(demand=3.0)
    story.run(3600)
    assert len(story.guest.online) == 1
    assert part in story.conditions[Condition.BREAKING]


def test_a_guest_that_is_no_longer_seen_has_no_broken_promise_but_no_sample(story: Story) -> None:
    story.guest.set(demand=8.0)
    story.run(3600)
    assert Condition.BREAKING in story.conditions
    story.guest.set(agent_error=AgentUnresponsive("silence"))
    story.run(4000)
    assert set(story.conditions) == {Condition.NO_SAMPLE}


def test_slices_without_a_sample_are_unknown_and_never_good(story: Story) -> None:
    before = story.run(100)
    story.guest.set(agent_error=AgentUnresponsive("silence"))
    found = story.run(100)
    assert found.good <= before.good + 1
    assert found.unknown >= 8
    assert found.bad == 0


def test_bad_slices_cut_the_risk_and_good_ones_raise_it(story: Story) -> None:
    story.run(30)
    start = story.trace["risk"]
    story.guest.set(demand=8.0)
    story.run(300)
    cut = story.trace["risk"]
    assert cut < start
    story.guest.set(demand=0.3)
    story.run(3600)
    assert story.trace["risk"] > cut


@pytest.mark.parametrize("gracefully", [True, False])
def test_a_restart_keeps_the_budget_and_what_was_learned(story: Story, *, gracefully: bool) -> None:
    story.guest.set(demand=8.0)
    before = story.run(300)
    risk = story.trace["risk"]
    story.restart(gracefully=gracefully, away_s=100.0)
    after = story.run(12)
    assert after.bad >= before.bad - 1
    assert after.unknown >= 9, "the time away is unknown"
    assert story.trace["risk"] == pytest.approx(risk, abs=0.01)


@pytest.mark.parametrize("gracefully", [True, False])
def test_a_guest_that_is_new_after_a_restart_is_looked_ahead_for_as_far_as_growth_was_slow_before(
    story: Story, *, gracefully: bool
) -> None:
    story.guest.lists_after_s = 25.0
    story.guest.set(demand=1.7)
    story.run(120)
    story.restart(gracefully=gracefully)
    story.host.add(SimulatedGuest("web-2", story.clock, maximum=4))
    story.run(10)
    decision = story.simulation.domain("web-2").decision
    assert decision is not None
    assert isinstance(decision.trace, AdaptiveTrace)
    assert decision.trace.outlook_s > 30 + 20


def test_a_reload_keeps_what_was_learned_where_the_policy_means_the_same(story: Story) -> None:
    story.guest.set(demand=8.0)
    before = story.run(300)
    renamed = replace(story.policy, name="renamed", max_vcpus=3)
    story.simulation.controller.apply(PolicySet(policies=(renamed,), digest="other"))
    after = story.run(2)
    assert story.simulation.domain("web-1").policy.name == "renamed"
    assert after.bad >= before.bad
    stricter = replace(renamed, sla=replace(POLICY.sla, objective_ratio=0.99))
    story.simulation.controller.apply(PolicySet(policies=(stricter,), digest="stricter"))
    assert story.run(2).bad >= before.bad, "the slices are what they were, only the promise is another"
    other = replace(renamed, sla=replace(POLICY.sla, below=0.5))
    story.simulation.controller.apply(PolicySet(policies=(other,), digest="another"))
    assert story.run(2).bad == 0


def test_a_wall_clock_that_is_set_back_or_forward_costs_no_slice(story: Story) -> None:
    before = story.run(100)
    story.clock.wall_offset_s = -3600.0
    story.run(100)
    story.clock.wall_offset_s = 3600.0
    found = story.run(100)
    assert found.unknown == before.unknown
    assert found.good >= before.good + 19
