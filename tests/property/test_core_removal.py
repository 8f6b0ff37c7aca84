"""What holds whatever befalls a removal: growth still reaches what is needed, and nothing needed is taken."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.condition import Condition
from autoscaler.core.policy import DownLimits, Reclaim
from autoscaler.errors import (
    AutoscalerError,
    BackendUnavailable,
    Conflict,
    Denied,
    DomainBusy,
    OutcomeUnknown,
)
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation
from tests.property.test_core_invariants import (
    FAULTS,
    LONG,
    LONGEST_RECOVERY_S,
    POLICY,
    SOUND,
    Fault,
    lived_through,
    turned,
)

UNPLUG = replace(POLICY, down=DownLimits(step_vcpus=1, cooldown_s=2, per_day=10_000, reclaim=Reclaim.UNPLUG))

UNPLUG_ERRORS: list[AutoscalerError] = [
    BackendUnavailable("down"),
    Conflict("conflict"),
    Denied("denied"),
    DomainBusy("busy"),
    OutcomeUnknown("lost before it was done"),
    AutoscalerError("unnamed"),
]


def ejects(guest: SimulatedGuest, _: Simulation) -> None:
    """Let the highest vCPU go that the guest was ever asked for, however long ago."""
    guest.advance()
    if guest.asked:
        guest.eject(max(guest.asked))


def goes_unasked(guest: SimulatedGuest, _: Simulation) -> None:
    guest.advance()
    if len(guest.slots) > 1:
        guest.eject(max(guest.slots))


MISHAPS: st.SearchStrategy[Fault] = st.one_of(
    st.sampled_from([turned(unplug_error=error) for error in UNPLUG_ERRORS]),
    st.sampled_from(
        [
            turned(unplug_reply_lost=OutcomeUnknown("lost after it was done")),
            turned(unplug_reply_lost=BackendUnavailable("gone after it was done")),
            turned(ejects_after_s=float("inf")),
            turned(ejects_after_s=7.3),
            turned(ejects_after_s=0.2),
            turned(refuses_removal=True),
            turned(tells_slots=False),
            ejects,
        ]
    ),
    st.floats(0.0, 6.0).map(lambda demand: turned(demand=demand)),
)
WELL: dict[str, object] = SOUND | {
    "unplug_error": None,
    "unplug_reply_lost": None,
    "ejects_after_s": 0.2,
    "refuses_removal": False,
    "heard_of_late": False,
}
SOON_S = 40
"""What a growth takes at the very most: two moves, each with an eject that lands in the middle of it."""


@settings(LONG, max_examples=30)
@given(
    st.lists(st.tuples(MISHAPS, st.floats(0.1, 40.0)), max_size=12),
    st.floats(0.0, 5.5),
    st.integers(1, 4),
)
def test_whatever_befalls_a_removal_growth_reaches_what_is_needed_at_once(
    story: list[tuple[Fault, float]], demand: float, plugged: int
) -> None:
    policy = replace(UNPLUG, manual_change=replace(UNPLUG.manual_change, respect_for_s=3600))
    with tempfile.TemporaryDirectory() as folder:
        clock = SimulatedClock()
        guest = SimulatedGuest("web", clock, plugged=plugged, maximum=6)
        simulation = Simulation(SimulatedHost(clock, [guest]), [policy], folder=Path(folder))
        for mishap, seconds in story:
            mishap(guest, simulation)
            simulation.run(seconds)
            assert Condition.BY_HAND not in simulation.domain("web").conditions
        guest.set(demand=demand)  # whatever is wrong with removals stays wrong
        simulation.run(SOON_S)
        assert demand <= len(guest.online)
        simulation.journal.close()


@settings(LONG, max_examples=12)
@given(
    st.lists(
        st.tuples(
            st.one_of(MISHAPS, FAULTS, st.just(goes_unasked), st.just(turned(heard_of_late=True))),
            st.floats(0.1, 40.0),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.floats(0.0, 5.0),
    st.integers(1, 4),
)
def test_whatever_befell_a_guest_it_ends_with_what_it_needs_online_and_nothing_else_plugged(
    story: list[tuple[Fault, float, bool]], demand: float, plugged: int
) -> None:
    with lived_through(story, UNPLUG, plugged=plugged, demand=demand, sound=WELL) as (guest, simulation):
        simulation.run(3600 + LONGEST_RECOVERY_S)  # the longest that a refusal is remembered
        assert demand <= len(guest.online) or len(guest.online) == guest.maximum
        assert guest.plugged == len(guest.online)
