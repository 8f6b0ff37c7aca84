"""What the answer to an action means for the state."""

from __future__ import annotations

from autoscaler.core.domain_state import DomainState
from autoscaler.core.operation import SetOnline
from autoscaler.service.acting import take_in
from tests.fakes.examples import GROWTH, POLICY, VIEW, guest_vcpus


def test_a_guest_that_lists_more_vcpus_than_it_can_have_has_said_nothing() -> None:
    state = DomainState(VIEW, POLICY, 100.0)
    state.begin(GROWTH, 1, 100.0)
    action = SetOnline(target=3)
    state.actuation.started(action)

    take_in(state, action, guest_vcpus(present=4096, online=4096), 101.0)

    assert state.online == 1
    assert state.actuation.busy


def test_a_guest_that_lists_what_it_was_asked_for_has_followed() -> None:
    state = DomainState(VIEW, POLICY, 100.0)
    state.begin(GROWTH, 1, 100.0)
    action = SetOnline(target=3)
    state.actuation.started(action)

    take_in(state, action, guest_vcpus(present=3, online=3), 101.0)

    assert state.online == 3
    assert not state.actuation.busy
