"""Stories of a service that is killed and started again over the same guests and the same journal."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.model import DomainId, GuestVcpus
from autoscaler.core.operation import Outcome
from autoscaler.core.policy import DownLimits, Fallback, Match, MissingRule, Policy, Reclaim, TargetStrategy
from autoscaler.core.reason import Reason
from autoscaler.errors import AgentUnresponsive, BackendUnavailable, Denied
from autoscaler.service.describe import domain_of, operation_of
from autoscaler.service.journal_reader import events
from autoscaler.service.lookup import Explained, explained
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

POLICY = Policy(
    name="web",
    match=Match(name=("web-*",)),
    max_vcpus=4,
    strategy=TargetStrategy(utilization_ratio=0.70, tolerance_ratio=0.10, hold_s=10),
    down=DownLimits(step_vcpus=1, cooldown_s=5),
)


class Machine:
    """One guest, and a service that may be killed and started again."""

    def __init__(self, folder: Path, policy: Policy = POLICY) -> None:
        self.folder = folder
        self.policy = policy
        self.clock = SimulatedClock()
        self.guest = SimulatedGuest("web-1", self.clock)
        self.start()

    def start(self) -> None:
        """Run a service; the one before is gone, with all that it had not written, and with its calls."""
        self.simulation = Simulation(
            SimulatedHost(self.clock, [self.guest]), [self.policy], folder=self.folder
        )
        self.run = self.simulation.run

    @property
    def reason(self) -> Reason:
        decision = self.simulation.domain("web-1").decision
        assert decision is not None
        return decision.reason

    def outcomes(self) -> list[object]:
        found = [event["operation"] for event in events(self.folder / "journal.sqlite", limit=1000)]
        return [operation["outcome"] for operation in found if isinstance(operation, dict)]

    def reasons(self) -> set[object]:
        return {event["reason"] for event in events(self.folder / "journal.sqlite", limit=1000)}


def shown(machine: Machine) -> dict[str, dict[str, object]]:
    """The last change and the last removal, as `show` has them, to a millisecond; those that there are."""
    domain = machine.simulation.domain("web-1")
    last = {"change": domain.last_operation, "removal": domain.last_removal}
    return {
        name: operation_of(operation)
        | {"stages_s": {stage: round(took_s, 3) for stage, took_s in operation.stages_s().items()}}
        for name, operation in last.items()
        if operation is not None
    }


def test_vcpus_that_were_plugged_right_before_the_kill_are_brought_online_and_nobody_elses(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path)
    machine.run(3)
    machine.guest.set(demand=1.8, onlines=False)
    machine.run(4)
    assert (machine.guest.plugged, len(machine.guest.online)) == (3, 1)
    machine.guest.set(onlines=True)
    machine.start()
    machine.run(6)
    assert len(machine.guest.online) == 3
    assert machine.guest.plugs == [3]
    assert machine.outcomes() == [Outcome.ABANDONED, Outcome.DONE]
    assert Reason.BY_HAND not in machine.reasons()


def test_a_change_that_came_true_without_the_service_is_closed_as_done_when_it_is_seen(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path)
    machine.run(3)
    machine.guest.set(demand=1.8)
    while not machine.outcomes():
        machine.run(0.002)
    machine.guest.plug(3)
    machine.guest.set(demand=1.8)
    machine.guest.online = {0, 1, 2}
    machine.start()
    machine.run(3)
    assert machine.outcomes() == [Outcome.DONE]
    assert machine.guest.plugs == [3]
    assert len(machine.guest.online) == 3
    assert Reason.BY_HAND not in machine.reasons()


def test_a_plug_that_comes_true_only_after_the_restart_is_nobody_elses(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run(3)
    machine.guest.set(demand=1.8)
    while not machine.outcomes():
        machine.run(0.002)
    assert machine.guest.plugs == []  # it is with the hypervisor, which goes on without the service
    machine.guest.set(demand=0.2)
    machine.start()
    machine.run(2)
    machine.guest.plug(3)
    machine.run(2)
    machine.guest.set(demand=1.8)
    machine.run(5)
    assert len(machine.guest.online) == 3
    assert machine.guest.plugs == [3]
    assert Reason.BY_HAND not in machine.reasons()


def test_vcpus_that_come_online_only_after_the_restart_are_nobody_elses(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run(3)
    machine.guest.set(demand=1.8, onlines=False)
    machine.run(3)
    machine.start()
    machine.guest.set(demand=0.2)
    machine.run(3)
    machine.guest.online = {0, 1, 2}
    machine.run(3)
    assert Condition.BY_HAND not in machine.simulation.domain("web-1").conditions


def test_vcpus_of_a_growth_that_was_stuck_before_the_restart_are_nobody_elses(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run(3)
    machine.guest.set(demand=1.8, onlines=False)
    while machine.outcomes() != [Outcome.STUCK]:
        machine.run(1)
    machine.guest.set(demand=0.2)
    machine.start()
    machine.run(20)
    assert machine.outcomes() == [Outcome.STUCK]
    machine.guest.online = {0, 1, 2}
    machine.run(3)
    assert Reason.BY_HAND not in machine.reasons()


def test_a_change_long_after_a_restart_is_somebody_elses_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run(3)
    machine.guest.set(demand=1.8, onlines=False)
    machine.run(3)
    machine.start()
    machine.guest.set(demand=0.2)
    machine.run(70)
    machine.guest.plug(4)
    machine.run(2)
    assert Condition.BY_HAND in machine.simulation.domain("web-1").conditions


def test_a_kill_does_not_give_back_the_shrinks_of_the_day(tmp_path: Path) -> None:
    machine = Machine(tmp_path, replace(POLICY, down=DownLimits(step_vcpus=1, cooldown_s=5, per_day=3)))
    machine.run(3)
    for _ in range(6):
        machine.guest.set(demand=1.8)
        machine.run(4)
        machine.guest.set(demand=0.2)
        machine.run(19)  # never long enough for what was learned to be written
        machine.start()
    machine.run(60)
    found = events(tmp_path / "journal.sqlite", limit=1000)
    shrinks = [event for event in found if event["operation"] and event["verdict"] == "shrink"]
    assert len(shrinks) == 3
    assert machine.reason is Reason.DAILY_LIMIT


@pytest.mark.parametrize("reclaims", [False, True])
def test_the_last_change_and_the_last_removal_are_shown_after_a_kill_as_before(
    tmp_path: Path, *, reclaims: bool
) -> None:
    taking_back = replace(POLICY, down=replace(POLICY.down, reclaim=Reclaim.UNPLUG))
    machine = Machine(tmp_path, taking_back if reclaims else POLICY)
    machine.run(3)
    machine.guest.set(demand=1.8)
    machine.run(10)
    machine.guest.set(demand=0.1)
    machine.run(60)
    before = shown(machine)
    assert set(before) == ({"change", "removal"} if reclaims else {"change"})
    machine.start()
    machine.run(1)
    assert shown(machine) == before


def test_a_kill_does_not_end_a_cooldown(tmp_path: Path) -> None:
    machine = Machine(tmp_path, replace(POLICY, down=DownLimits(step_vcpus=1, cooldown_s=40)))
    machine.run(3)
    machine.guest.set(demand=1.8)
    machine.run(4)
    machine.guest.set(demand=0.2)
    machine.run(1)
    machine.start()
    machine.run(20)
    assert (machine.reason, len(machine.guest.online)) == (Reason.COOLDOWN, 3)
    machine.run(25)
    assert len(machine.guest.online) < 3


def test_a_kill_does_not_end_a_back_off(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run(3)
    machine.guest.set(demand=1.8, plug_error=BackendUnavailable("away"))
    machine.run(30)
    failures = len(machine.outcomes())
    machine.start()
    machine.run(3)
    assert machine.reason is Reason.BACK_OFF
    assert len(machine.outcomes()) == failures
    machine.guest.set(plug_error=None)
    machine.run(60)
    assert len(machine.guest.online) == 3


def test_a_kill_does_not_end_a_denial_and_another_maximum_does(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run(3)
    machine.guest.set(plug_error=Denied("no"), demand=1.8)
    machine.run(5)
    assert machine.outcomes() == [Outcome.DENIED]
    machine.guest.set(plug_error=None)
    machine.start()
    machine.run(20)
    assert machine.guest.plugs == []
    assert machine.reason is Reason.DENIED
    machine.guest.set(maximum=8)
    machine.run(3)
    assert machine.guest.plugs == [3]


def test_a_shrink_that_the_kill_cut_off_is_decided_anew(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run(3)
    machine.guest.set(demand=1.8)
    machine.run(5)
    machine.guest.set(demand=0.2)
    machine.run(8)
    host = machine.simulation.host

    def lost(domain: DomainId, *, target: int) -> GuestVcpus:
        SimulatedHost.set_online(host, domain, target=target)
        raise AgentUnresponsive("the answer was lost with the service")

    host.set_online = lost  # type: ignore[method-assign]
    machine.run(4)
    assert len(machine.guest.online) == 2
    machine.start()
    machine.run(30)
    assert len(machine.guest.online) == 1
    assert Reason.BY_HAND not in machine.reasons()


def test_a_vcpu_that_goes_only_after_the_restart_is_nobody_elses_and_counts_for_the_day(
    tmp_path: Path,
) -> None:
    down = DownLimits(step_vcpus=1, cooldown_s=5, per_day=3, reclaim=Reclaim.UNPLUG)
    machine = Machine(tmp_path, replace(POLICY, down=down))
    machine.run(3)
    machine.guest.set(demand=1.8)
    machine.run(10)
    machine.guest.set(demand=0.2, ejects_after_s=40.0)
    machine.run(45)
    assert (machine.guest.plugged, machine.guest.unplugs) == (3, [2])
    machine.start()
    machine.run(60)
    assert machine.guest.plugged == 2
    assert Reason.BY_HAND not in machine.reasons()
    machine.run(300)
    assert machine.guest.plugged == 2, "two shrinks and a removal are all that the day allows"


def test_a_vcpu_that_goes_after_a_growth_and_a_restart_is_nobody_elses(tmp_path: Path) -> None:
    machine = Machine(tmp_path, replace(POLICY, down=replace(POLICY.down, reclaim=Reclaim.UNPLUG)))
    machine.run(3)
    machine.guest.set(demand=1.8)
    machine.run(10)
    machine.guest.set(demand=0.2, ejects_after_s=math.inf)
    while not machine.guest.unplugs:
        machine.run(1)
    machine.guest.set(demand=2.6)
    machine.run(5)
    assert (machine.guest.unplugs, machine.guest.plugged) == ([2], 4)
    machine.start()
    machine.run(3)
    machine.guest.eject(2)
    machine.run(3)
    assert (machine.guest.plugged, len(machine.guest.online)) == (4, 4), "it was needed, and is made good"
    assert Reason.BY_HAND not in machine.reasons()
    machine.guest.eject(3)
    machine.run(3)
    assert Reason.BY_HAND in machine.reasons(), "one was asked for, and another went"


def test_a_removal_whose_service_was_killed_is_waited_for_and_not_asked_for_twice(tmp_path: Path) -> None:
    machine = Machine(tmp_path, replace(POLICY, down=replace(POLICY.down, reclaim=Reclaim.UNPLUG)))
    machine.run(3)
    machine.guest.set(demand=1.8)
    machine.run(10)
    machine.guest.set(demand=0.2, ejects_after_s=20.0)
    while not machine.guest.unplugs:
        machine.run(1)
    machine.start()
    machine.run(15)
    assert machine.guest.unplugs == [2]
    machine.run(10)
    assert machine.guest.plugged == 2
    assert Outcome.SUPERSEDED not in machine.outcomes()[-2:]


def test_a_refusal_is_remembered_for_its_slot_over_a_restart(tmp_path: Path) -> None:
    machine = Machine(tmp_path, replace(POLICY, down=replace(POLICY.down, reclaim=Reclaim.UNPLUG)))
    machine.run(3)
    machine.guest.set(demand=1.8)
    machine.run(10)
    machine.guest.set(demand=0.2, refuses_removal=True)
    machine.run(600)
    asked = len(machine.guest.unplugs)
    assert asked >= 3  # a further request is not due for minutes
    machine.start()
    machine.run(200)
    assert len(machine.guest.unplugs) == asked
    machine.run(1200)
    assert len(machine.guest.unplugs) > asked


def test_a_vcpu_that_goes_unasked_after_a_restart_is_somebody_elses_doing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, replace(POLICY, down=replace(POLICY.down, reclaim=Reclaim.OFFLINE)))
    machine.run(3)
    machine.guest.set(demand=1.8)
    machine.run(10)
    machine.guest.set(demand=0.2)
    machine.run(60)
    machine.start()
    machine.run(5)
    machine.guest.eject(2)
    machine.run(3)
    assert Condition.BY_HAND in machine.simulation.domain("web-1").conditions


def test_what_a_guest_runs_that_is_silent_after_a_restart_is_not_made_up(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run(3)
    machine.guest.set(demand=1.8)
    machine.run(10)
    machine.guest.set(demand=0.2)
    machine.run(60)
    assert (machine.guest.plugged, len(machine.guest.online)) == (3, 1)
    machine.guest.set(agent_error=AgentUnresponsive("the agent of domain web-1 is silent"))
    machine.start()
    machine.run(20)

    domain = machine.simulation.domain("web-1")
    described = domain_of(domain)
    assert described["vcpus"] == {"online": None, "plugged": 3, "min": 1, "max": 4, "maximum": 4}
    told = events(tmp_path / "journal.sqlite")[-1]
    assert [told[key] for key in ("online", "next_vcpus", "plugged")] == [None, None, 3]
    found = explained(tmp_path / "journal.sqlite", machine.simulation.snapshot, "web-1", None)
    assert isinstance(found, Explained)
    assert found.steps[-1].text.startswith("It stays as it is: ")
    shares = machine.simulation.snapshot.hosts[0].shares
    assert shares is not None
    assert shares.committed_vcpus == 3, "its host reckons with all that it could run"

    machine.guest.set(agent_error=None)
    machine.run(40)
    assert machine.simulation.domain("web-1").online == 1
    assert events(tmp_path / "journal.sqlite")[-1]["online"] == 1
    assert Reason.BY_HAND not in machine.reasons()


@pytest.mark.parametrize(
    ("raise_to", "plugs"),
    [
        pytest.param(2, [3], id="fewer than are plugged"),
        pytest.param(3, [3], id="what is plugged"),
        pytest.param(4, [3, 4], id="more than are plugged"),
    ],
)
def test_a_guest_that_is_silent_after_a_restart_is_raised_by_what_it_cannot_run_yet(
    tmp_path: Path, raise_to: int, plugs: list[int]
) -> None:
    rule = MissingRule(stale_after_s=10, then=Fallback.RAISE_TO, raise_to_vcpus=raise_to)
    machine = Machine(tmp_path, replace(POLICY, missing=rule))
    machine.run(3)
    machine.guest.set(demand=1.8)
    machine.run(10)
    machine.guest.set(demand=0.2)
    machine.run(60)
    machine.guest.set(agent_error=AgentUnresponsive("the agent of domain web-1 is silent"))
    machine.start()
    machine.run(9)
    assert machine.guest.plugs == [3]
    machine.run(200)
    assert machine.guest.plugs == plugs
    assert machine.guest.online == {0}, "a silent guest is asked for nothing that could take a vCPU"
    machine.guest.set(agent_error=None, demand=1.8)
    machine.run(60)
    assert len(machine.guest.online) == 3
    assert Reason.BY_HAND not in machine.reasons()


class IdleMachine(Machine):
    """A guest of three vCPUs that needs one; what was idle for an hour is taken back."""

    def __init__(self, folder: Path) -> None:
        down = replace(POLICY.down, reclaim=Reclaim.OFFLINE_THEN_UNPLUG, unplug_after_s=3600)
        super().__init__(folder, replace(POLICY, down=down))
        self.run(3)
        self.guest.set(demand=1.8)
        self.run(10)
        self.guest.set(demand=0.2)
        self.run(60)
        assert (self.guest.plugged, len(self.guest.online)) == (3, 1)

    def restart(self, *, away_s: float, stopped: bool = False) -> None:
        """Start anew after such a time; `stopped`: as SIGTERM does, else killed."""
        if stopped:
            self.simulation.controller.keep_all()
            self.simulation.journal.close()
        self.clock.now_s += away_s
        self.start()


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "killed"])
def test_idle_time_counts_over_restarts_and_the_time_away(tmp_path: Path, *, stopped: bool) -> None:
    machine = IdleMachine(tmp_path)
    machine.run(900)
    machine.restart(away_s=900, stopped=stopped)
    machine.run(900)
    machine.restart(away_s=60, stopped=stopped)
    machine.run(600)
    assert machine.guest.plugged == 3, "an hour is not over"
    machine.run(400)
    assert machine.guest.plugged == 1


def test_idle_time_counts_over_a_restart_though_the_guest_is_silent_at_first(tmp_path: Path) -> None:
    machine = IdleMachine(tmp_path)
    machine.run(1800)
    machine.guest.set(agent_error=AgentUnresponsive("silence"))
    machine.restart(away_s=1800)
    machine.run(120)
    assert machine.guest.plugged == 3, "nobody has seen what it uses"
    machine.guest.set(agent_error=None)
    machine.run(60)
    assert machine.guest.plugged == 1


def test_a_guest_that_uses_more_after_the_time_away_was_not_idle(tmp_path: Path) -> None:
    machine = IdleMachine(tmp_path)
    machine.run(1800)
    machine.guest.reboot()
    machine.restart(away_s=1800)
    machine.run(60)
    assert (machine.guest.plugged, len(machine.guest.online)) == (3, 1)
    machine.run(3400)
    assert machine.guest.plugged == 3
    machine.run(300)
    assert machine.guest.plugged == 1


def test_vcpus_that_were_needed_right_before_a_kill_are_not_idle_by_what_was_kept_earlier(
    tmp_path: Path,
) -> None:
    machine = IdleMachine(tmp_path)
    machine.run(3500 - (machine.clock.now_s - 1000) % 60)
    machine.guest.set(demand=1.8)
    machine.run(6)
    assert len(machine.guest.online) == 3
    machine.guest.set(demand=0.2)
    machine.run(30)
    assert len(machine.guest.online) == 1
    machine.restart(away_s=60)
    machine.run(3300)
    assert machine.guest.plugged == 3
    machine.run(400)
    assert machine.guest.plugged == 1


def test_vcpus_that_somebody_plugged_while_the_service_was_away_are_idle_from_when_they_are_adopted(
    tmp_path: Path,
) -> None:
    machine = IdleMachine(tmp_path)
    machine.run(1800)
    machine.clock.now_s += 60
    machine.guest.plug(4)
    machine.restart(away_s=3600)
    machine.run(3500)
    assert (machine.guest.plugged, len(machine.guest.online)) == (4, 1)
    machine.run(6 * 3600)
    assert machine.guest.plugged == 1
