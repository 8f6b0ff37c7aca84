"""Two services with state of their own over one host: each respects the other's changes, neither fights."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from autoscaler.core.condition import Condition
from autoscaler.core.policy import DownLimits, ManualChange, Match, Policy, TargetStrategy
from autoscaler.service.journal_reader import events
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

STEP_S = 0.1
RESPECT_S = 600.0
MOST = 4
POLICY = Policy(
    name="web",
    match=Match(name=("web-*",)),
    strategy=TargetStrategy(utilization_ratio=0.70, tolerance_ratio=0.10, hold_s=30),
    max_vcpus=MOST,
    down=DownLimits(step_vcpus=1, cooldown_s=5),
    manual_change=ManualChange(respect_for_s=RESPECT_S),
)


class Two:
    """A guest of 2 vCPUs with room for 8, and the services; the second ticks `apart_s` after the first."""

    def __init__(self, folder: Path, *, second: Policy = POLICY, apart_s: float) -> None:
        clock = SimulatedClock()
        self.guest = SimulatedGuest("web-1", clock, plugged=2, maximum=8, demand=1.4)
        host = SimulatedHost(clock, [self.guest])
        self.journals: list[Path] = []
        self.services: list[Simulation] = []
        for number, policy in enumerate((POLICY, second)):
            home = folder / str(number)
            home.mkdir()
            self.journals.append(home / "journal.sqlite")
            self.services.append(Simulation(host, [policy], folder=home))
        self.services[1]._next_tick_s += apart_s
        self.changes: list[tuple[float, int]] = [(clock.now_s, 2)]
        """When the guest came to run another number of vCPUs, and how many."""

    def run(self, seconds: float, *, demand: float) -> None:
        self.guest.set(demand=demand)
        first, second = self.services
        for _ in range(round(seconds / STEP_S)):
            first.run(STEP_S)
            second.run(0.0)  # for the clock, which both have, has moved
            if len(self.guest.online) != self.changes[-1][1]:
                self.changes.append((first.clock.now_s, len(self.guest.online)))

    @property
    def by_hand(self) -> list[bool]:
        """Which of them respect a change that they did not make."""
        return [Condition.BY_HAND in service.domain("web-1").conditions for service in self.services]

    def acts(self, service: int) -> int:
        return sum(event["operation"] is not None for event in events(self.journals[service], limit=10_000))


@pytest.mark.parametrize("apart_s", [0.0, 0.4], ids=["in the same moment", "in turns"])
def test_a_change_of_one_is_noticed_by_the_other_and_left_alone(tmp_path: Path, apart_s: float) -> None:
    two = Two(tmp_path, apart_s=apart_s)
    two.run(60, demand=1.4)
    assert two.by_hand == [False, False]
    two.run(10, demand=2.5)
    assert sorted(two.by_hand) == [False, True]
    for demand in (0.5, 1.9, 2.5, 0.5) * 2:
        two.run(120, demand=demand)
        assert sorted(two.by_hand) == [False, True]
    followed, respected = (two.by_hand.index(respects) for respects in (False, True))
    assert two.acts(followed) > 5
    assert two.acts(respected) <= 1
    assert max(online for _, online in two.changes) == MOST
    assert max(two.guest.plugs) == MOST


def test_two_that_want_different_counts_move_the_guest_to_and_fro_no_sooner_than_each_has_respected(
    tmp_path: Path,
) -> None:
    two = Two(tmp_path, second=replace(POLICY, max_vcpus=2), apart_s=0.4)
    two.run(6 * RESPECT_S, demand=3.4)
    turns = [
        at_s
        for (_, before), (at_s, now), (_, after) in zip(
            two.changes, two.changes[1:], two.changes[2:], strict=False
        )
        if (now > before) is not (after > now)
    ]
    assert turns
    assert all(later - earlier > RESPECT_S / 2 for earlier, later in pairwise(turns))
    assert {online for _, online in two.changes} <= {2, 3, 4}
    assert two.acts(0) + two.acts(1) < 20
