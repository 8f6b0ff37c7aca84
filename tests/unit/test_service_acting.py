"""What the answer to an action means for the state."""

from __future__ import annotations

import pytest

from autoscaler.core.domain_state import DomainState
from autoscaler.core.operation import Plug, SetOnline
from autoscaler.service.acting import take_in
from tests.fakes.examples import GROWTH, POLICY, VIEW, guest_vcpus

PLUG, SET_ONLINE = Plug(expect=1, target=3), SetOnline(target=3)


def asked_for_three() -> DomainState:
    """A guest of one vCPU was given two more, and is asked to run them."""
    state = DomainState(VIEW, POLICY, 100.0)
    state.begin(GROWTH, 1, 100.0)
    state.actuation.started(PLUG)
    take_in(state, PLUG, None, 100.5)
    state.actuation.started(SET_ONLINE)
    return state


@pytest.mark.parametrize("claimed", [4, 4096])
def test_a_guest_that_lists_more_vcpus_than_are_plugged_has_said_nothing(claimed: int) -> None:
    state = asked_for_three()

    take_in(state, SET_ONLINE, guest_vcpus(present=claimed, online=claimed), 101.0)

    assert state.online == 1
    assert state.actuation.busy


def test_a_guest_that_lists_what_it_was_asked_for_has_followed() -> None:
    state = asked_for_three()

    take_in(state, SET_ONLINE, guest_vcpus(present=3, online=3), 101.0)

    assert state.online == 3
    assert not state.actuation.busy
