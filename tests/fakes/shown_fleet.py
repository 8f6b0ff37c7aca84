"""A service to look at: the real controller over simulated guests, its journal, and the real web server.

Time is simulated, so that hours of history are there in a moment; `run` lets more of it pass, and the pages
see every moment of it, as those of a real service do.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from math import pi, sin
from typing import TYPE_CHECKING

from autoscaler.core.policy import Match, Mode, Policy
from autoscaler.service.web import Sources
from autoscaler.service.web_server import WebServer
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import NO_AGENT, SimulatedHost
from tests.fakes.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from autoscaler.service.snapshot import Snapshot

WEB = Policy(
    name="web", match=Match(name=("*",)), min_vcpus=1, max_vcpus=8, source="/etc/vcpu-autoscaler/web.yaml:3"
)
RECOMMEND = replace(WEB, name="databases", match=Match(name=("db-*",)), mode=Mode.RECOMMEND)
_STEP_S = 5.0


class ShownFleet:
    """Guests whose demand goes up and down, and the pages that show them."""

    def __init__(self, folder: Path, names: Sequence[str], *, cpus: int = 64) -> None:
        """Put it together; no time has passed yet."""
        self.clock = SimulatedClock()
        self.guests = [
            SimulatedGuest(name, self.clock, maximum=8 if number % 4 else 12, plugged=1)
            for number, name in enumerate(names)
        ]
        self.host = SimulatedHost(self.clock, self.guests, label="qemu:///system")
        self.host.cpus = cpus
        for guest in self.guests:
            guest.connection = self.host.label
        self.host.guests = {guest.id: guest for guest in self.guests}
        self.simulation = Simulation(self.host, (RECOMMEND, WEB), folder=folder, interval_s=_STEP_S)
        self.simulation.run(1.0)
        self._newest = self.simulation.snapshot
        self._sources = Sources(
            newest=lambda: self._newest,
            registry=self.simulation.registry,
            journal=folder / "journal.sqlite",
            healthy=lambda: None,
            interval_s=_STEP_S,
        )
        self.server = WebServer(self._sources, host="127.0.0.1", port=0)
        self.url = self.server.url

    def start(self) -> None:
        """Begin to answer, and return once the pages follow what happens."""
        self.server.start()
        while self.server.page._loop is None:
            time.sleep(0.01)

    def start_again(self) -> None:
        """Answer at the same address, as a service does that was stopped and started."""
        self.server.close()
        self.server = WebServer(self._sources, host="127.0.0.1", port=self.server.address[1])
        self.start()

    def run(self, seconds: float) -> None:
        """Let time pass, with the guests as they are."""
        known = len(self.simulation.snapshots)
        self.simulation.run(seconds)
        passed = self.simulation.snapshots[known:]
        loop = self.server.page._loop
        if loop is None:
            self._show(passed)
        else:
            loop.call_soon_threadsafe(self._show, passed)

    def _show(self, passed: Sequence[Snapshot]) -> None:
        """Let the pages see what passed, in the thread that they are made in."""
        for snapshot in passed:
            self.server.page.see(snapshot)
            self._newest = snapshot

    def go_on(self, seconds: float) -> None:
        """Let time pass, every guest at its own pace."""
        end_s = self.clock.now_s + seconds
        while self.clock.now_s < end_s:
            for number, guest in enumerate(self.guests):
                period_s = 1200.0 + 137 * (number % 7)
                wave = 0.5 + 0.5 * sin(2 * pi * self.clock.now_s / period_s + number)
                guest.set(demand=0.15 + (number % 5) * 0.9 * wave)
            self.run(min(30.0, end_s - self.clock.now_s))


@contextmanager
def shown_fleet(folder: Path, names: Sequence[str], *, hours: float = 0.0) -> Iterator[ShownFleet]:
    """A fleet that is served for the block, with so much history."""
    fleet = ShownFleet(folder, names)
    fleet.go_on(3600 * hours)
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.server.close()


def with_a_broken_promise(fleet: ShownFleet, name: str) -> None:
    """Let a guest want more than it may have, until that breaks its promise."""
    guest = next(guest for guest in fleet.guests if guest.name == name)
    guest.set(demand=30.0)
    fleet.run(900.0)


def with_troubles(fleet: ShownFleet) -> None:
    """Give the first guests one trouble each that a fleet may have."""
    fleet.guests[0].set(agent_error=NO_AGENT)
    fleet.guests[1].set(job="migration")
    fleet.guests[2].set(stolen=0.3)
    fleet.go_on(120)
