"""Stories of several guests on a host that cannot serve them all: who grows, who waits, who gives back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.model import DomainId, DomainView
from autoscaler.core.policy import DownLimits, HostShare, Match, Mode, Policy, Reclaim, TargetStrategy
from autoscaler.core.reason import Reason
from autoscaler.service.moving_counts import AGAIN_S
from autoscaler.service.settings import HostLimits
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

STRATEGY = TargetStrategy(utilization_ratio=0.70, tolerance_ratio=0.10, hold_s=5)
LOW = Policy(
    name="batch",
    match=Match(name=("batch-*",)),
    max_vcpus=8,
    strategy=STRATEGY,
    down=DownLimits(cooldown_s=2),
    host=HostShare(priority=10),
)
HIGH = replace(LOW, name="shop", match=Match(name=("shop-*",)), host=HostShare(priority=200))
GIVING_BACK = replace(LOW, down=DownLimits(cooldown_s=2, reclaim=Reclaim.UNPLUG))
TIGHT = HostLimits(overcommit=1.0, operations_per_minute=6000)


class Host:
    """A simulated host of some CPUs, each backing one vCPU."""

    def __init__(
        self,
        folder: Path,
        cpus: int,
        *guests: str,
        limits: HostLimits = TIGHT,
        policies: Sequence[Policy] = (HIGH, LOW),
    ) -> None:
        self.clock = SimulatedClock()
        self.guests = {name: SimulatedGuest(name, self.clock, maximum=8) for name in guests}
        self.host = SimulatedHost(self.clock, list(self.guests.values()))
        self.host.cpus = cpus
        self.simulation = Simulation(self.host, policies, folder=folder, limits=limits)
        self.run = self.simulation.run

    def online(self, name: str) -> int:
        return len(self.guests[name].online)

    def reason(self, name: str) -> Reason:
        decision = self.simulation.domain(name).decision
        assert decision is not None
        return decision.reason

    def loads(self, **demand: float) -> None:
        for name, vcpus in demand.items():
            self.guests[name.replace("_", "-")].set(demand=vcpus)

    def total(self) -> int:
        return sum(len(guest.online) for guest in self.guests.values())


def test_guests_never_run_more_vcpus_together_than_the_host_can_bear(tmp_path: Path) -> None:
    host = Host(tmp_path, 6, "batch-1", "batch-2", "batch-3")
    host.loads(batch_1=5.0, batch_2=5.0, batch_3=5.0)
    for _ in range(60):
        host.run(1)
        assert host.total() <= 6
    assert [host.online(name) for name in host.guests] == [2, 2, 2]
    assert host.reason("batch-1") is Reason.HOST_FULL


def test_a_guest_that_waited_grows_when_another_gives_back(tmp_path: Path) -> None:
    host = Host(tmp_path, 6, "batch-1", "batch-2")
    host.loads(batch_1=5.0)
    host.run(20)
    assert host.online("batch-1") == 5
    host.loads(batch_2=3.2)
    host.run(10)
    assert (host.online("batch-2"), host.reason("batch-2")) == (1, Reason.HOST_FULL)
    host.loads(batch_1=0.5)
    host.run(40)
    assert host.online("batch-2") == 5


def test_a_higher_priority_takes_back_one_vcpu_at_a_time_down_to_the_minimum(tmp_path: Path) -> None:
    host = Host(tmp_path, 6, "batch-1", "shop-1")
    host.loads(batch_1=5.0)
    host.run(20)
    assert (host.online("batch-1"), host.online("shop-1")) == (5, 1)
    host.loads(shop_1=5.0)
    sizes = []
    for _ in range(40):
        host.run(1)
        sizes.append(host.online("batch-1"))
        assert host.total() <= 6
    assert sizes == sorted(sizes, reverse=True), "it was only ever made smaller"
    assert all(before - after <= 1 for before, after in itertools.pairwise(sizes))
    assert (host.online("batch-1"), host.online("shop-1")) == (1, 5)


def test_once_the_higher_priority_needs_less_the_lower_gets_it_again_and_both_settle(tmp_path: Path) -> None:
    host = Host(tmp_path, 6, "batch-1", "shop-1")
    host.loads(batch_1=5.0, shop_1=3.2)
    host.run(60)
    settled = host.online("batch-1"), host.online("shop-1")
    assert settled == (1, 5)
    host.loads(shop_1=0.2)
    host.run(60)
    assert (host.online("batch-1"), host.online("shop-1")) == (5, 1)
    moves = dict(host.simulation.domain("batch-1").tally.operations)
    host.run(120)
    assert dict(host.simulation.domain("batch-1").tally.operations) == moves


@pytest.mark.parametrize("takes_s", [0.05, 2.5])
def test_what_is_taken_back_for_a_guest_that_is_still_growing_goes_to_nobody_else(
    tmp_path: Path, takes_s: float
) -> None:
    host = Host(tmp_path, 12, "batch-1", "batch-2", "batch-3", "shop-1", "shop-2")
    host.guests["shop-1"].lists_after_s = host.guests["shop-2"].lists_after_s = takes_s
    host.loads(batch_1=2.5, batch_2=2.5, batch_3=2.5)
    host.run(25)
    host.loads(shop_1=5.0, shop_2=5.0)
    sizes = []
    for _ in range(60):
        host.run(1)
        sizes.append([host.online(f"batch-{number}") for number in (1, 2, 3)])
    assert sizes[-1] == [1, 1, 1]
    assert all(
        now <= before for one, other in pairwise(sizes) for before, now in zip(one, other, strict=True)
    ), "none of them grew again"


def test_what_is_free_is_kept_for_a_higher_priority_that_is_stolen_from_for_a_moment(tmp_path: Path) -> None:
    host = Host(tmp_path, 6, "batch-1", "shop-1")
    host.loads(batch_1=5.0)
    host.run(20)
    host.loads(shop_1=5.0)
    sizes = []
    for number in range(60):
        host.guests["shop-1"].set(stolen=0.3 if number % 3 == 0 else 0.0)
        host.run(1)
        sizes.append(host.online("batch-1"))
    assert sizes == sorted(sizes, reverse=True), "it never grew again"
    assert (host.online("batch-1"), host.online("shop-1")) == (1, 5)


def test_a_guest_under_a_policy_that_may_not_shrink_is_not_taken_from(tmp_path: Path) -> None:
    host = Host(tmp_path, 6, "batch-1", "shop-1")
    host.simulation.controller.apply(
        replace(
            host.simulation.controller.policies,
            policies=(HIGH, replace(LOW, mode=Mode.UP_ONLY)),
        )
    )
    host.loads(batch_1=5.0)
    host.run(20)
    host.loads(shop_1=5.0)
    host.run(30)
    assert (host.online("batch-1"), host.online("shop-1")) == (5, 1)
    assert host.reason("shop-1") is Reason.HOST_FULL


def test_a_domain_without_a_policy_counts_against_the_host(tmp_path: Path) -> None:
    host = Host(tmp_path, 6, "batch-1")
    host.host.add(SimulatedGuest("other", host.clock, plugged=4, maximum=4))
    host.loads(batch_1=5.0)
    host.run(20)
    assert host.online("batch-1") == 2


@pytest.mark.parametrize(
    ("pressure", "stolen", "says"),
    [
        pytest.param(0.0, 0.2, "withholds", id="its guests' vCPUs wait"),
        pytest.param(
            0.95, 0.05, "tasks of the host waited", id="its own tasks wait, and its guests a little"
        ),
    ],
)
def test_a_host_that_is_short_of_time_lets_nobody_grow(
    tmp_path: Path, pressure: float, stolen: float, says: str
) -> None:
    host = Host(tmp_path, 16, "batch-1", "batch-2")
    host.loads(batch_1=3.0)
    host.run(20)
    host.host.pressure = pressure
    host.guests["batch-1"].set(stolen=stolen)
    host.loads(batch_2=3.0)
    host.run(40)
    assert host.online("batch-2") == 1
    decision = host.simulation.domain("batch-2").decision
    assert decision is not None
    assert decision.reason is Reason.HOST_PRESSED
    assert says in decision.granted
    host.host.pressure = 0.0
    host.guests["batch-1"].set(stolen=0.0)
    host.run(10)
    assert host.online("batch-2") == 5


def test_pressure_that_the_guests_do_not_feel_holds_nobody_back(tmp_path: Path) -> None:
    host = Host(tmp_path, 16, "batch-1")
    host.host.pressure = 0.95
    host.loads(batch_1=3.0)
    host.run(20)
    assert host.online("batch-1") == 5


def test_two_connections_to_one_machine_share_its_cpus(tmp_path: Path) -> None:
    clock = SimulatedClock()
    here = SimulatedGuest("batch-1", clock, maximum=8, demand=5.0)
    there = SimulatedGuest("batch-2", clock, maximum=8, demand=5.0, connection="other")
    first, second = SimulatedHost(clock, [here]), SimulatedHost(clock, [there], label="other")
    first.cpus = second.cpus = 6
    simulation = Simulation(first, [LOW], folder=tmp_path, limits=TIGHT, beside=[second])
    for _ in range(40):
        simulation.run(1)
        assert len(here.online) + len(there.online) <= 6
    assert len(here.online) + len(there.online) == 6
    assert [host.shares.committed_vcpus for host in simulation.snapshot.hosts if host.shares] == [6, 6]


class SecondLook(SimulatedHost):
    """Another connection to the same libvirt: it shows the same domains as the first."""

    def __init__(self, first: SimulatedHost) -> None:
        super().__init__(first.clock, label="again")
        self.first = first
        self.changes = 0

    def domains(self) -> Sequence[DomainView]:
        return [replace(view, id=DomainId("again", view.id.uuid)) for view in self.first.domains()]

    def plug(self, domain: DomainId, *, expect: int, target: int) -> None:
        self.changes += 1
        self.first.plug(DomainId(self.first.label, domain.uuid), expect=expect, target=target)


def test_one_libvirt_by_two_names_has_each_of_its_guests_once(tmp_path: Path) -> None:
    clock = SimulatedClock()
    guest = SimulatedGuest("shop-1", clock, maximum=8)
    first = SimulatedHost(clock, [guest])
    second = SecondLook(first)
    simulation = Simulation(first, [HIGH], folder=tmp_path, limits=TIGHT, beside=[second])
    simulation.run(2)
    guest.set(demand=2.0)
    simulation.run(20)
    assert len(guest.online) == 3
    assert second.changes == 0
    assert [domain.view.id.host for domain in simulation.snapshot.domains] == ["sim"]
    assert simulation.snapshot.ungoverned == ()
    shown, again = simulation.snapshot.hosts
    assert shown.shares is not None
    assert shown.shares.committed_vcpus == 3
    assert shown.unseen == {}
    assert "connection sim once more" in again.unseen["shop-1"]


def test_a_guest_of_another_name_with_the_same_uuid_is_told_of_both(tmp_path: Path) -> None:
    class Copy(SecondLook):
        def domains(self) -> Sequence[DomainView]:
            return [replace(view, name="copy") for view in super().domains()]

    clock = SimulatedClock()
    first = SimulatedHost(clock, [SimulatedGuest("shop-1", clock)])
    simulation = Simulation(first, [HIGH], folder=tmp_path, limits=TIGHT, beside=[Copy(first)])
    simulation.run(2)
    told = simulation.snapshot.hosts[1].unseen["copy"]
    assert "domain shop-1 of the connection sim" in told
    assert "if these are two guests, start one of them with another UUID" in told


@pytest.mark.parametrize("most", [1, 3])
def test_a_host_begins_no_more_changes_in_a_minute_than_it_may(tmp_path: Path, most: int) -> None:
    names = [f"batch-{number}" for number in range(6)]
    limits = HostLimits(overcommit=1.0, operations_per_minute=most)
    host = Host(tmp_path, 64, *names, limits=limits)
    for guest in host.guests.values():
        guest.set(demand=1.2)
    host.run(50)
    grown = [name for name in names if host.online(name) > 1]
    assert len(grown) == most
    waiting = next(name for name in names if name not in grown)
    assert host.reason(waiting) is Reason.HOST_RATE
    host.run(60 * 6)
    assert all(host.online(name) == 2 for name in names)


@pytest.mark.parametrize("most", [1, 2])
def test_a_host_asks_no_more_vcpus_back_in_a_minute_than_it_may_and_grows_meanwhile(
    tmp_path: Path, most: int
) -> None:
    names = [f"batch-{number}" for number in range(4)]
    limits = HostLimits(operations_per_minute=6000, removals_per_minute=most)
    host = Host(tmp_path, 64, *names, limits=limits, policies=[GIVING_BACK])
    for guest in host.guests.values():
        guest.set(demand=1.2)
    host.run(20)
    assert all(host.online(name) == 2 for name in names)
    for guest in host.guests.values():
        guest.set(demand=0.2)
    while not any(guest.unplugs for guest in host.guests.values()):
        host.run(1)
    host.run(50)
    asked = [name for name in names if host.guests[name].unplugs]
    assert len(asked) == most
    waiting = next(name for name in names if name not in asked)
    assert host.reason(waiting) is Reason.HOST_RATE
    host.guests[waiting].set(demand=2.5)
    host.run(5)
    assert host.online(waiting) == 4
    host.guests[waiting].set(demand=0.2)
    host.run(60 * 9)
    assert all(guest.plugged == 1 for guest in host.guests.values())


def test_a_guest_that_claims_vcpus_it_was_never_given_takes_none_from_the_others(tmp_path: Path) -> None:
    host = Host(tmp_path, 6, "batch-1", "shop-1")
    host.run(10)
    host.guests["batch-1"].set(online=frozenset(range(5)))
    host.loads(shop_1=3.3)
    host.run(10 + AGAIN_S)
    liar = host.simulation.domain("batch-1")
    assert host.online("shop-1") == 5
    assert liar.online == 1
    assert "lists 5 vCPUs online where 1 are plugged" in liar.conditions[Condition.NO_SAMPLE]
    assert liar.tally.agent_errors["agent-nonsense"] > 1
    assert not liar.tally.operations
    assert Condition.BY_HAND not in liar.conditions
