"""What a scrape costs: a thousand domains that have lived for a while, asked as Prometheus asks."""

from __future__ import annotations

import gzip
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

from autoscaler.core.policy import Match, Policy
from autoscaler.service.metrics import SnapshotCollector
from autoscaler.service.web import Sources
from autoscaler.service.web_server import WebServer
from tests.bench import scrape_day
from tests.bench.figures import Figure, figure
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

DOMAINS = 1000
INTERVAL_S = 5.0
STRETCHES = 10
STRETCH_S = 30.0
RUNS = 15
_POLICY = Policy(name="bench", match=Match(name=("*",)))
_ASKED = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
    "Accept-Encoding": "gzip",
}
"""The headers of Prometheus."""

Say = Callable[[str], None]


def scrape(say: Say) -> Iterator[Figure]:
    """Milliseconds on loopback, to the last byte; megabytes as sent, and unpacked; how many series.

    And megabytes and series of domains that had a bad day, which have more of both.
    """
    say(f"scrape: letting {DOMAINS} simulated domains live for {STRETCHES * STRETCH_S:.0f} s of theirs")
    with tempfile.TemporaryDirectory(prefix="vcpu-bench-") as folder:
        simulation = _lived(Path(folder))
        simulation.registry.register(SnapshotCollector(lambda: simulation.snapshot))
        sources = Sources(
            newest=lambda: simulation.snapshot,
            registry=simulation.registry,
            journal=Path(folder) / "journal.sqlite",
            healthy=lambda: None,
            interval_s=INTERVAL_S,
        )
        server = WebServer(sources, host="127.0.0.1", port=0)
        server.start()
        try:
            found = [_ask(server.url) for _ in range(RUNS)]
        finally:
            server.close()
    yield figure("scrape", "ms", [spent_ms for spent_ms, _ in found])
    yield figure("scrape.sent", "MB", [len(body) / 1e6 for _, body in found])
    unpacked = [gzip.decompress(body) for _, body in found]
    yield figure("scrape.unpacked", "MB", [len(text) / 1e6 for text in unpacked])
    yield figure("scrape.series", "series", [_series(text) for text in unpacked])
    yield from _grown(say)


def _grown(say: Say) -> Iterator[Figure]:
    """What a scrape of as many domains comes to that live through a bad day, looked at hour by hour."""
    say(f"scrape: letting {scrape_day.DOMAINS} of them live through {scrape_day.HOURS} bad hours")
    with tempfile.TemporaryDirectory(prefix="vcpu-bench-") as folder:
        looks = list(scrape_day.a_day(Path(folder)))
    sizes = [(DOMAINS * of_one + rest) / 1e6 for of_one, _, rest in looks]
    yield figure("scrape.day", "MB", sizes)
    yield figure("scrape.day.series", "series a domain", [series for _, series, _ in looks])


def _lived(folder: Path) -> Simulation:
    """Domains whose loads come and go, so that they have grown, shrunk and been held."""
    chance = random.Random(DOMAINS)
    clock = SimulatedClock()
    guests = [SimulatedGuest(f"guest-{number:04}", clock, maximum=8) for number in range(DOMAINS)]
    host = SimulatedHost(clock, guests)
    host.cpus = 8 * DOMAINS
    simulation = Simulation(host, [_POLICY], folder=folder, interval_s=INTERVAL_S)
    for _ in range(STRETCHES):
        for guest in chance.sample(guests, DOMAINS // 3):
            guest.set(demand=chance.choice((0.1, 0.4, 0.9, 1.7, 3.0)))
        simulation.run(STRETCH_S)
    return simulation


def _ask(url: str) -> tuple[float, bytes]:
    request = Request(f"{url}/metrics", headers=_ASKED)
    began_s = time.perf_counter()
    with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
        body: bytes = answer.read()
    return 1000 * (time.perf_counter() - began_s), body


def _series(text: bytes) -> int:
    return sum(not line.startswith(b"#") for line in text.splitlines())
