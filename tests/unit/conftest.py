"""A guest agent over a scripted guest, and each part of it that a test may want to change."""

from __future__ import annotations

import pytest

from autoscaler.backends.agent.guest_agent import GuestAgent
from tests.fakes.guest_channel import GuestChannel, SteppedClock
from tests.fakes.scripted_guest import ScriptedGuest


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def guest(clock: SteppedClock) -> ScriptedGuest:
    return ScriptedGuest(present=2, online={0, 1}, clock=clock.monotonic_s)


@pytest.fixture
def channel(guest: ScriptedGuest) -> GuestChannel:
    return GuestChannel(guest)


@pytest.fixture
def agent(channel: GuestChannel, clock: SteppedClock) -> GuestAgent:
    return GuestAgent(channel, clock, timeout_s=5)
