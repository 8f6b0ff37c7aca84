"""A guest that claims load which its vCPU threads did not spend, from its first lie on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.policy import DownLimits, Match, Policy, PolicySet, TargetStrategy
from autoscaler.core.reason import Reason
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

POLICY = Policy(
    name="web",
    match=Match(name=("web-*",)),
    strategy=TargetStrategy(utilization_ratio=0.70, hold_s=5),
    down=DownLimits(cooldown_s=1),
)


class Site:
    """One guest under the real controller."""

    def __init__(self, folder: Path) -> None:
        clock = SimulatedClock()
        self.guest = SimulatedGuest("web-1", clock, maximum=8)
        self.simulation = Simulation(SimulatedHost(clock, [self.guest]), [POLICY], folder=folder)
        self.simulation.run(3)

    def reason(self) -> Reason:
        decision = self.simulation.domain("web-1").decision
        assert decision is not None
        return decision.reason

    def doubted(self) -> bool:
        return Condition.DOUBTED in self.simulation.domain("web-1").conditions


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.simulation.journal.close()


def test_a_lie_gains_no_vcpu_and_is_told_of_after_a_few_samples(site: Site) -> None:
    site.guest.set(claims=100.0)
    site.simulation.run(2)
    assert (site.reason(), site.doubted()) == (Reason.DOUBTED, False)
    site.simulation.run(8)
    assert (site.reason(), site.doubted()) == (Reason.DOUBTED, True)
    assert site.guest.plugs == []


def test_a_guest_that_tells_the_truth_again_grows_by_it(site: Site) -> None:
    site.guest.set(claims=100.0)
    site.simulation.run(20)
    site.guest.set(claims=None, demand=1.8)
    site.simulation.run(30)
    assert not site.doubted()
    assert len(site.guest.online) == 3


def test_a_doubted_guest_is_raised_to_the_policys_minimum_all_the_same(site: Site) -> None:
    site.guest.set(claims=100.0)
    site.simulation.run(10)
    site.simulation.controller.apply(PolicySet(policies=(replace(POLICY, min_vcpus=3),)))
    site.simulation.run(5)
    assert len(site.guest.online) == 3


def test_a_guest_whose_threads_nobody_sees_is_taken_at_its_word(site: Site) -> None:
    site.guest.set(claims=1.8, threads_seen=False)
    site.simulation.run(20)
    assert not site.doubted()
    assert len(site.guest.online) == 3


def test_an_honest_guest_grows_at_once_as_ever(site: Site) -> None:
    site.guest.set(demand=1.8)
    site.simulation.run(3.2)
    assert len(site.guest.online) == 3
