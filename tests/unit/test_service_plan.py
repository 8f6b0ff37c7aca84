"""What other policies would change, told for every running domain, with nothing changed by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.core.policy import (
    AdaptiveStrategy,
    HostShare,
    Match,
    Mode,
    Policy,
    PolicySet,
    Sla,
    TargetStrategy,
)
from autoscaler.core.reason import SENTENCES, Reason
from autoscaler.service.plan import PlanVerb, PoliciesBroken
from autoscaler.service.settings import HostLimits
from tests.fakes.examples import PEER
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

WEB = Policy(
    name="web",
    match=Match(name=("web-*",)),
    max_vcpus=4,
    strategy=TargetStrategy(utilization_ratio=0.7, hold_s=5),
)
TEXT = 'version: 1\npolicies:\n  - {name: web, match: {name: ["web-*"]}, vcpus: {min: 2}}\n'


@pytest.fixture
def simulated(tmp_path: Path) -> Simulation:
    clock = SimulatedClock()
    guests = [SimulatedGuest("web-1", clock, demand=0.3), SimulatedGuest("other", clock)]
    simulation = Simulation(SimulatedHost(clock, guests), [WEB], folder=tmp_path)
    simulation.run(5)
    return simulation


def planned(simulated: Simulation, *policies: Policy) -> dict[str, dict[str, object]]:
    found = simulated.controller.plan(PolicySet(policies=policies, digest="edited"))
    return {str(entry["domain"]): entry for entry in found}


def test_the_same_policies_change_nothing(simulated: Simulation) -> None:
    found = planned(simulated, WEB)
    assert [entry["changes"] for entry in found.values()] == [False, False]


def test_a_raised_minimum_shows_the_target_that_it_would_make(simulated: Simulation) -> None:
    before = simulated.domain("web-1").decision
    found = planned(simulated, replace(WEB, min_vcpus=3))["web-1"]
    assert found["changes"] is True
    assert isinstance(found["now"], dict)
    assert isinstance(found["after"], dict)
    assert (found["now"]["target"], found["after"]["target"]) == (1, 3)
    assert simulated.domain("web-1").decision == before


def test_a_domain_that_would_come_under_a_policy_or_out_of_it_is_told(simulated: Simulation) -> None:
    found = planned(simulated, replace(WEB, name="all", match=Match(name=("other",))))
    assert (found["web-1"]["changes"], found["web-1"]["after"]) == (True, None)
    assert (found["other"]["changes"], found["other"]["now"]) == (True, None)


def test_the_verb_reads_policies_from_texts() -> None:
    taken: list[PolicySet] = []

    def plan(policies: PolicySet) -> list[dict[str, object]]:
        taken.append(policies)
        return []

    assert PlanVerb(plan)({"files": [{"name": "web.yaml", "text": TEXT}]}, PEER) == {"domains": []}
    assert [policy.min_vcpus for policy in taken[0].policies] == [2]


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(None, id="none"),
        pytest.param("/etc/passwd", id="a path"),
        pytest.param([{"name": "/etc/passwd"}], id="a path without a text"),
        pytest.param([{"name": "x", "text": 1}], id="a text that is none"),
        pytest.param([{"name": "x", "text": TEXT.replace("min: 2", "min: two")}], id="broken policies"),
        pytest.param([{"name": "x", "text": "\ud800"}], id="a lone surrogate"),
    ],
)
def test_what_is_no_set_of_policies_is_refused_in_a_sentence(files: object) -> None:
    with pytest.raises(PoliciesBroken):
        PlanVerb(lambda _: [])({"files": files}, PEER)


def test_a_plan_under_another_service_level_is_made_without_any_past(simulated: Simulation) -> None:
    simulated.host.guests[next(iter(simulated.host.guests))].set(demand=3.0)
    simulated.run(20)
    tight = replace(WEB, strategy=AdaptiveStrategy(), sla=Sla(below=0.5))
    found = planned(simulated, tight)["web-1"]
    assert isinstance(found["after"], dict)
    assert found["after"]["target"] == 4


def test_an_edit_that_only_moves_a_limit_is_a_change(simulated: Simulation) -> None:
    assert planned(simulated, replace(WEB, host=HostShare(priority=7)))["web-1"]["changes"] is True


def test_what_a_full_host_would_grant_is_told_beside_the_target(tmp_path: Path) -> None:
    clock = SimulatedClock()
    guests = [SimulatedGuest(name, clock, maximum=8) for name in ("web-1", "web-2", "web-3")]
    host = SimulatedHost(clock, guests)
    host.cpus = 8
    simulation = Simulation(host, [WEB], folder=tmp_path, limits=HostLimits(overcommit=1.0))
    simulation.run(5)
    first = replace(WEB, name="first", match=Match(name=("web-2",)), host=HostShare(priority=900))
    found = planned(simulation, replace(first, min_vcpus=4), replace(WEB, min_vcpus=3))
    after = {name: entry["after"] for name, entry in found.items()}
    assert {
        name: (entry["target"], entry["gets"]) for name, entry in after.items() if isinstance(entry, dict)
    } == {
        "web-1": (3, 2),
        "web-2": (4, 4),
        "web-3": (3, 2),
    }
    reasons = [entry["reason"] for entry in after.values() if isinstance(entry, dict)]
    assert [SENTENCES[Reason.HOST_FULL] in str(reason) for reason in reasons] == [True, False, True]


def test_a_domain_that_others_would_displace_changes_though_its_own_policy_does_not(tmp_path: Path) -> None:
    clock = SimulatedClock()
    guests = [SimulatedGuest("web-1", clock, maximum=8, demand=2.5), SimulatedGuest("db", clock, maximum=8)]
    host = SimulatedHost(clock, guests)
    host.cpus = 6
    db = replace(WEB, name="db", match=Match(name=("db",)), host=HostShare(priority=900))
    simulation = Simulation(host, [db, WEB], folder=tmp_path, limits=HostLimits(overcommit=1.0))
    simulation.run(30)
    web = planned(simulation, replace(db, min_vcpus=4), WEB)["web-1"]
    assert isinstance(web["now"], dict)
    assert isinstance(web["after"], dict)
    assert (web["changes"], web["now"]["gets"], web["after"]["gets"]) == (True, 4, 2)


def test_a_policy_that_only_recommends_gets_nothing(simulated: Simulation) -> None:
    after = planned(simulated, replace(WEB, min_vcpus=3, mode=Mode.RECOMMEND))["web-1"]["after"]
    assert isinstance(after, dict)
    assert (after["target"], after["gets"]) == (3, 1)


def test_another_match_that_lets_the_same_domain_in_is_no_change(simulated: Simulation) -> None:
    assert planned(simulated, replace(WEB, match=Match(name=("web-1",))))["web-1"]["changes"] is False
