"""What a scrape grows to: a few domains that live through a day in which all happens that makes it longer."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from pathlib import Path

from autoscaler.core.policy import Match, Policy, TargetStrategy
from autoscaler.errors import AgentUnresponsive
from autoscaler.service.exposition import exposition
from autoscaler.service.metrics import SnapshotCollector
from autoscaler.service.settings import HostLimits
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

DOMAINS = 12
HOURS = 24
_INTERVAL_S = 5.0
_MINUTE_S = 60.0
_MAXIMUM = 8
_POLICIES = (
    Policy(name="learns", match=Match(name=("guest-a*",)), max_vcpus=_MAXIMUM),
    Policy(
        name="tracks",
        match=Match(name=("guest-b*",)),
        max_vcpus=_MAXIMUM,
        strategy=TargetStrategy(utilization_ratio=0.65),
    ),
)
_DEMANDS = (0.05, 0.1, 0.3, 0.9, 1.7, 3.0, 5.0, 7.0)


def a_day(folder: Path) -> Iterator[tuple[float, float, float]]:
    """Hour by hour: bytes that a scrape has of one domain, its series, and bytes that are of no domain.

    Demand is another every few minutes, by up to the whole of a guest. Together they want more than the host
    has, now and then; it withholds time, or is short of it itself, and agents hang.
    """
    chance = random.Random(DOMAINS)
    clock = SimulatedClock()
    guests = [
        SimulatedGuest(f"guest-{'ab'[number % 2]}{number:03}", clock, maximum=_MAXIMUM)
        for number in range(DOMAINS)
    ]
    host = SimulatedHost(clock, guests)
    host.cpus = 3 * DOMAINS
    logging.getLogger("autoscaler").addHandler(logging.NullHandler())
    simulation = Simulation(host, _POLICIES, folder=folder, interval_s=_INTERVAL_S, limits=HostLimits())
    simulation.registry.register(SnapshotCollector(lambda: simulation.snapshot))
    for _ in range(HOURS):
        for _ in range(60):
            for guest in guests:
                _befall(guest, chance)
            host.pressure = 0.9 if chance.random() < 0.01 else 0.0
            simulation.run(_MINUTE_S)
            del simulation.snapshots[:-1]
        lines = exposition(simulation.registry, openmetrics=True).splitlines(keepends=True)
        told = [line for line in lines if b'domain="guest-' in line]
        size = sum(map(len, told))
        yield size / DOMAINS, len(told) / DOMAINS, sum(map(len, lines)) - size


def _befall(guest: SimulatedGuest, chance: random.Random) -> None:
    """What a minute brings to one guest."""
    if chance.random() < 0.2:
        guest.set(demand=chance.choice(_DEMANDS) * chance.uniform(0.7, 1.3))
    guest.stolen = 0.3 if chance.random() < 0.01 else 0.0
    if guest.agent_error is None and chance.random() < 0.001:
        guest.agent_error = AgentUnresponsive("it does not answer")
    elif chance.random() < 0.3:
        guest.agent_error = None
