"""An honest guest is never doubted, whatever befalls it; one that claims too much gains nothing by it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.condition import Condition
from autoscaler.core.model import RunState
from autoscaler.core.policy import DownLimits, Match, Policy, TargetStrategy
from autoscaler.core.reason import Reason
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

LONG = settings(derandomize=True, deadline=None, database=None, max_examples=60)
"""Derandomized, so that a run says the same today and tomorrow."""

POLICY = Policy(
    name="quick",
    match=Match(name=("*",)),
    strategy=TargetStrategy(utilization_ratio=0.7, hold_s=3.0),
    down=DownLimits(cooldown_s=1.0),
)

Turn = Callable[[SimulatedGuest], None]


def turned(**field: object) -> Turn:
    return lambda guest: guest.set(**field)


TURNS: st.SearchStrategy[Turn] = st.one_of(
    st.floats(0.0, 8.0).map(lambda demand: turned(demand=demand)),
    st.floats(0.0, 0.85).map(lambda takes_s: turned(agent_takes_s=takes_s)),
    st.floats(0.0, 0.9).map(lambda share: turned(stolen=share)),
    st.sampled_from(
        [
            turned(state=RunState.PAUSED),
            turned(state=RunState.RUNNING),
            turned(threads_seen=False),
            turned(threads_seen=True),
            turned(onlines_itself=True),
            SimulatedGuest.reboot,
            SimulatedGuest.migrate,
        ]
    ),
)


def simulated(folder: str, guest: SimulatedGuest) -> Simulation:
    return Simulation(SimulatedHost(guest.clock, [guest]), [POLICY], folder=Path(folder))


@LONG
@given(st.lists(st.tuples(TURNS, st.floats(0.05, 12.0)), max_size=25), st.integers(1, 4))
def test_an_honest_guest_is_never_doubted(story: list[tuple[Turn, float]], plugged: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        guest = SimulatedGuest("web", SimulatedClock(), plugged=plugged, maximum=8)
        simulation = simulated(folder, guest)
        for turn, seconds in story:
            turn(guest)
            simulation.run(seconds)
        for snapshot in simulation.snapshots:
            for domain in snapshot.domains:
                assert Condition.DOUBTED not in domain.conditions, domain
        simulation.journal.close()


@LONG
@given(
    st.lists(st.tuples(st.floats(0.0, 8.0), st.floats(0.0, 0.85)), min_size=1, max_size=8),
    st.lists(st.booleans(), min_size=2, max_size=7),
    st.floats(0.3, 2.5),
)
def test_an_honest_guest_that_keeps_time_with_its_samples_is_not_doubted_either(
    beat: list[tuple[float, float]], looks: list[bool], period_s: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        guest = SimulatedGuest("web", SimulatedClock(), plugged=4, maximum=4)
        simulation = simulated(folder, guest)
        for number in range(120):
            demand, takes_s = beat[number % len(beat)]
            guest.set(demand=demand, agent_takes_s=takes_s)
            simulation.run(period_s / 2)
            if looks[number % len(looks)]:
                simulation.controller.look()
            simulation.run(period_s / 2)
        assert not any(
            Condition.DOUBTED in domain.conditions
            for snapshot in simulation.snapshots
            for domain in snapshot.domains
        )
        simulation.journal.close()


@LONG
@given(
    st.floats(0.0, 0.3),
    st.lists(st.floats(0.0, 0.85), min_size=1, max_size=6),
    st.integers(1, 4),
    st.floats(0.0, 0.08),
)
def test_a_guest_that_claims_what_its_threads_did_not_spend_does_not_grow(
    demand: float, takes_s: list[float], plugged: int, stolen: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock = SimulatedClock()
        guest = SimulatedGuest(
            "web", clock, plugged=plugged, maximum=8, demand=demand * plugged, stolen=stolen
        )
        simulation = simulated(folder, guest)
        simulation.run(3)
        guest.set(claims=1000.0)
        for number in range(30):
            guest.set(agent_takes_s=takes_s[number % len(takes_s)])
            simulation.run(1)
        assert Condition.DOUBTED in simulation.domain("web").conditions
        decision = simulation.domain("web").decision
        assert decision is not None
        assert decision.reason is Reason.DOUBTED
        assert len(guest.online) <= plugged
        simulation.journal.close()
