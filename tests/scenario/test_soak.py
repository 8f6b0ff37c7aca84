"""A month of the controller in a minute: it takes no more of its host on the last day than on the fourth.

Real are the controller, what it keeps of domains, its snapshots and its journal, in one process. Time, guests
and their host are simulated, and work is done in the test's own thread. What workers, sockets and the web
address take is in `test_endurance`, over some hundred ticks; what libvirt's client takes over months is not
covered.
"""

from __future__ import annotations

import gc
import math
import os
import random
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoscaler.core.policy import Match, Policy
from autoscaler.errors import AgentUnresponsive, Denied
from tests.fakes import simulation
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

DAYS, DAY_S = 30, 86400.0
INTERVAL_S = 360.0
"""From tick to tick, and from flush to flush: what either leaves behind, each of thousands does."""
MOST_MIB = 5.3
"""That it may take more: a tick leaves less than a kilobyte behind."""
KEEP_S = 2 * DAY_S
SETTLED_DAY = 4
"""By then the journal is as large as it becomes, and everything was loaded."""
POLICY = Policy(name="web", match=Match(name=("web-*",)), max_vcpus=8)


@dataclass(frozen=True)
class Taken:
    """What the process takes."""

    memory_mib: float
    files: int
    threads: int
    journal_mib: float


def taken(folder: Path) -> Taken:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    size = sum(path.stat().st_size for path in folder.iterdir())
    return Taken(
        memory_mib=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        files=sum(1 for _ in Path("/proc/self/fd").iterdir()),
        threads=threading.active_count(),
        journal_mib=size / 2**20,
    )


class Month:
    """Guests with days and nights; one fails at times, one comes and goes, and so does the host itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chance = random.Random(30)
        self.clock = SimulatedClock()
        self.guests = [SimulatedGuest(f"web-{number}", self.clock, maximum=8) for number in range(4)]
        self.host = SimulatedHost(self.clock, self.guests)
        self.simulation = Simulation(self.host, [POLICY], folder=folder, interval_s=INTERVAL_S, keep_s=KEEP_S)

    def hour(self, hour: int) -> None:
        for number, guest in enumerate(self.guests):
            wave = 1.5 + 1.4 * math.sin(math.tau * (hour / 24 + number / 4))
            guest.set(demand=max(0.05, wave + self.chance.uniform(-0.3, 0.8)))
        failing, passing = self.guests[1], self.guests[2]
        failing.set(
            agent_error=AgentUnresponsive("silence") if hour % 7 == 0 else None,
            plug_error=Denied(f"no, in hour {hour}") if hour % 5 == 0 else None,
        )
        if hour % 11 == 0:
            self.host.stop(passing)
        elif passing.id not in self.host.guests:
            self.host.add(passing)
        self.host.down = "libvirtd is away" if hour % 13 == 0 else None
        if hour % 17 == 0:
            self.guests[3].reboot()
        self.clock.wall_offset_s += self.chance.choice((-3600.0, 0.0, 0.0, 0.0, 3600.0))
        self.simulation.run(3600.0)
        self.simulation.snapshots[:-1] = []
        for guest in self.guests:
            guest.plugs.clear()


@pytest.mark.timeout(300)
def test_a_month_takes_no_more_than_its_first_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "FLUSH_EVERY_S", INTERVAL_S)
    month = Month(tmp_path)
    settled = None
    for hour in range(24 * DAYS):
        month.hour(hour)
        if hour == 24 * SETTLED_DAY:
            settled = taken(tmp_path)
    last = taken(tmp_path)
    assert settled is not None
    assert last.memory_mib < settled.memory_mib + MOST_MIB, (settled, last)
    assert last.files == settled.files
    assert last.threads == settled.threads
    assert last.journal_mib < 1.5 * settled.journal_mib, (settled, last)
    assert month.simulation.snapshot.troubles == {}
    assert {domain.view.name for domain in month.simulation.snapshot.domains} >= {"web-0", "web-1", "web-3"}
    assert month.simulation.snapshot.tick > 0.99 * DAYS * DAY_S / INTERVAL_S
