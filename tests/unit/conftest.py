"""A guest agent over a scripted guest, part by part, and a place for a control socket: for several files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler.backends.agent.guest_agent import GuestAgent
from tests.fakes.control_peers import short_folder
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


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where a control socket may be; its name is short enough for one."""
    with short_folder() as folder:
        yield folder


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "control.sock"


@pytest.fixture
def in_kathmandu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clocks there are 5:45 h ahead of UTC, in summer and winter."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
