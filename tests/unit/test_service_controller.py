"""The controller: what it does with domains that come, go, hang or break while something is under way."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from autoscaler.core.policy import DownLimits, ManualChange, Match, Mode, Policy, PolicySet, TargetStrategy
from autoscaler.core.reason import Reason
from autoscaler.errors import AutoscalerError, JournalUnavailable
from autoscaler.service.journal_reader import events
from autoscaler.service.lanes import Lane
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

T = TypeVar("T")

POLICY = Policy(
    name="web",
    match=Match(name=("web-*",)),
    strategy=TargetStrategy(utilization_ratio=0.70, hold_s=10),
    down=DownLimits(cooldown_s=5),
)
SET = PolicySet(policies=(POLICY,), digest="test")


class Counted(Simulation):
    """A simulation that counts the actions that are out."""

    def __init__(self, host: SimulatedHost, folder: Path) -> None:
        super().__init__(host, [POLICY], folder=folder)
        self.action_takes_s = 0.01
        self.acting = self.acted = self.most_acting = 0

    def _submit(
        self,
        lane: Lane,
        work: Callable[[], T],
        then: Callable[[T | AutoscalerError], None],
        *,
        host: str = "",
    ) -> None:
        if lane is not Lane.ACT:
            super()._submit(lane, work, then, host=host)
            return

        def back(result: T | AutoscalerError) -> None:
            self.acting -= 1
            then(result)

        self.acting, self.acted = self.acting + 1, self.acted + 1
        self.most_acting = max(self.most_acting, self.acting)
        for guest in self.host.guests.values():
            guest.agent_takes_s = self.action_takes_s
        super()._submit(lane, work, back, host=host)
        for guest in self.host.guests.values():
            guest.agent_takes_s = 0.01


class Site:
    """Guests under the real controller."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.clock = SimulatedClock()
        self.guests = [SimulatedGuest(name, self.clock) for name in names or ("web-1",)]
        self.guest = self.guests[0]
        self.host = SimulatedHost(self.clock, self.guests)
        self.simulation = Counted(self.host, folder)
        self.controller = self.simulation.controller
        self.run = self.simulation.run

    def operations(self) -> list[dict[str, object]]:
        found = events(self.simulation.journal._path, limit=1000)
        return [event["operation"] for event in found if isinstance(event["operation"], dict)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def asked_to_grow(site: Site) -> Site:
    """A site whose guest has a plug out that takes its time."""
    site.run(3)
    site.guest.set(demand=1.8)
    site.simulation.action_takes_s = 3.0
    while site.simulation.acting == 0:
        site.run(0.1)
    return site


def test_a_guest_that_finds_a_fault_in_the_service_costs_no_other_guest_anything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(tmp_path, "web-1", "web-2")
    # That it ran no vCPU was somebody's change, which outlives the fault.
    site.controller.apply(
        PolicySet(policies=(replace(POLICY, manual_change=ManualChange(respect_for_s=5.0)),))
    )
    site.run(3)
    site.guests[0].set(online=set())
    site.guests[1].set(demand=1.8)
    with caplog.at_level(logging.ERROR):
        site.run(6)
    assert len(site.guests[1].online) == 3
    assert "web-1: internal error" in caplog.text
    site.guests[0].set(online={0}, demand=1.8)
    site.run(12)
    assert len(site.guests[0].online) == 3


def test_a_change_that_a_fault_in_the_service_cut_off_is_not_said_to_have_outlived_it(site: Site) -> None:
    asked_to_grow(site)
    site.guest.set(online=set())
    site.run(3)
    site.guest.set(online={0}, demand=0.2)
    site.run(90)
    (operation,) = site.operations()
    assert operation["outcome"] == "abandoned"
    assert str(operation["detail"]).startswith("the service ended, or took the domain up anew, before")


def test_a_domain_that_stops_with_a_change_under_way_leaves_it_closed(site: Site) -> None:
    asked_to_grow(site)
    site.host.stop(site.guest)
    site.run(3)
    (operation,) = site.operations()
    assert (operation["outcome"], operation["detail"]) == ("abandoned", "the domain stopped")


def test_a_domain_that_stops_and_comes_back_with_an_action_out_gets_no_second_one(site: Site) -> None:
    asked_to_grow(site)
    site.host.stop(site.guest)
    site.run(1)
    site.host.add(SimulatedGuest("web-1", site.clock, demand=1.8))
    site.run(20)
    assert site.simulation.most_acting == 1


def test_a_domain_that_comes_back_is_served_when_the_old_action_is_over(site: Site) -> None:
    asked_to_grow(site)
    site.host.stop(site.guest)
    again = SimulatedGuest("web-1", site.clock, demand=1.8)
    site.run(1)
    site.host.add(again)
    site.run(25)
    assert len(again.online) == 3
    assert site.simulation.most_acting == 1


def test_a_policy_that_lets_go_and_takes_up_again_at_once_asks_nothing_twice(site: Site) -> None:
    asked_to_grow(site)
    site.controller.apply(PolicySet())
    site.controller.apply(SET)
    site.run(25)
    assert site.guest.plugs == [3]
    assert len(site.guest.online) == 3
    assert site.simulation.most_acting == 1


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(replace(POLICY, max_vcpus=2), id="a lower maximum"),
        pytest.param(replace(POLICY, mode=Mode.RECOMMEND), id="mode recommend"),
        pytest.param(replace(POLICY, name="other"), id="another name"),
    ],
)
def test_a_reload_lets_a_change_under_way_finish(site: Site, changed: Policy) -> None:
    asked_to_grow(site)
    site.controller.apply(PolicySet(policies=(changed,)))
    site.run(7)
    assert len(site.guest.online) == 3
    assert site.operations()[0]["outcome"] != "abandoned"


def test_a_lowered_maximum_takes_hold_after_the_change_under_way(site: Site) -> None:
    asked_to_grow(site)
    site.controller.apply(PolicySet(policies=(replace(POLICY, max_vcpus=2),)))
    site.run(30)
    assert len(site.guest.online) == 2


def test_mode_off_closes_a_change_under_way_and_touches_nothing_more(site: Site) -> None:
    asked_to_grow(site)
    site.controller.apply(PolicySet(policies=(replace(POLICY, mode=Mode.OFF),)))
    acted = site.simulation.acted
    site.run(20)
    assert site.simulation.acted == acted
    assert [operation["outcome"] for operation in site.operations()] == ["abandoned"]


def test_waiting_for_a_guest_that_does_not_follow_does_not_spin(site: Site) -> None:
    site.guest.set(onlines=False, demand=1.8)
    settled = 0
    settle = site.controller.settle

    def counted() -> float | None:
        nonlocal settled
        settled += 1
        wake_s = settle()
        assert wake_s is None or wake_s > site.clock.now_s
        return wake_s

    site.controller.settle = counted  # type: ignore[method-assign]
    site.run(120)
    assert settled < 120 * 12
    assert site.simulation.acted < 120 * 2


def test_a_tick_that_comes_while_one_is_under_way_is_served_by_that_one(site: Site) -> None:
    site.controller.tick()
    site.controller.tick()
    site.run(0.2)
    assert site.simulation.snapshot.tick == 1


def test_domains_of_one_name_on_two_hosts_are_told_apart(tmp_path: Path) -> None:
    site = Site(tmp_path, "web-1")
    twin = SimulatedGuest("web-1", site.clock)
    site.host.guests[twin.id._replace(uuid="uuid-twin")] = twin
    original = site.host.domains
    site.host.domains = lambda: [  # type: ignore[method-assign]
        replace(view, id=domain) for view, domain in zip(original(), site.host.guests, strict=True)
    ]
    site.run(3)
    labels = Counter(domain.label for domain in site.simulation.snapshot.domains)
    assert len(labels) == 2
    assert set(labels.values()) == {1}


def test_a_journal_that_cannot_be_written_stops_every_change_and_no_sample(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise JournalUnavailable("the disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(site.simulation.journal, "decided", full)
        site.guest.set(demand=1.8)
        site.run(6)
    domain = site.simulation.domain("web-1")
    assert domain.decision is not None
    assert (domain.decision.target, domain.decision.reason) == (3, Reason.UNRECORDED)
    assert domain.load is not None
    assert (site.simulation.acted, domain.operation) == (0, None)
    assert site.simulation.snapshot.troubles == {"journal": "the disk is full"}
    site.run(3)
    assert len(site.guest.online) == 3
    assert site.simulation.snapshot.troubles == {}


def test_what_is_counted_never_runs_backwards(site: Site) -> None:
    asked_to_grow(site)
    site.run(30)
    site.guest.set(demand=0.1)
    site.run(60)
    seen: Counter[object] = Counter()
    for snapshot in site.simulation.snapshots:
        for domain in snapshot.domains:
            for counts in (domain.tally.decisions, domain.tally.operations, domain.tally.failures):
                for key, count in counts.items():
                    assert count >= seen[key]
                    seen[key] = count
    assert sum(domain.tally.decisions.values()) == site.simulation.snapshot.tick


def test_a_look_right_after_a_tick_waits_for_the_next_one(site: Site) -> None:
    site.simulation.run(2.1)
    ticks = site.simulation.snapshot.tick
    site.simulation.controller.look()
    site.simulation.run(0.2)
    assert site.simulation.snapshot.tick == ticks
    site.simulation.run(0.4)
    site.simulation.controller.look()
    site.simulation.run(0.1)
    assert site.simulation.snapshot.tick == ticks + 1


def test_what_nobody_reads_is_not_published_and_nothing_is_decided_otherwise(tmp_path: Path) -> None:
    told = []
    for read in (True, False):
        folder, clock = tmp_path / str(read), SimulatedClock()
        folder.mkdir()
        guest = SimulatedGuest("web-1", clock, maximum=8, demand=2.5)
        simulation = Simulation(SimulatedHost(clock, [guest]), [POLICY], folder=folder, read=read)
        simulation.run(40)
        guest.set(demand=0.1)
        simulation.run(60)
        assert bool(simulation.snapshots) is read
        told.append(events(folder / "journal.sqlite", limit=1000))
    assert len(told[0]) > 3
    assert told[0] == told[1]


def test_guests_that_answer_late_are_decided_some_together_and_shown_four_times_an_interval(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path, *(f"web-{number}" for number in range(60)))
    for number, guest in enumerate(site.guests):
        guest.agent_takes_s = 0.1 + 0.01 * number
    site.run(5)
    published = len(site.simulation.snapshots)
    site.run(1)
    assert len(site.simulation.snapshots) - published <= 5
    decided_s = {domain.decision.at_s for domain in site.simulation.snapshot.domains if domain.decision}
    assert len(decided_s) <= 13
