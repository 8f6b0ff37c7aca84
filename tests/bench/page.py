"""What the status page of 1,000 domains takes: until it is painted, and to keep 50 browsers up to date."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from math import sin
from pathlib import Path

from prometheus_client import CollectorRegistry

from autoscaler.core.model import DomainId
from autoscaler.core.slo import SliceOutcome
from autoscaler.service.snapshot import DomainSnapshot, HostSnapshot, Snapshot
from autoscaler.service.web import Sources
from autoscaler.service.web_server import WebServer
from tests.bench.figures import Figure, figure
from tests.fakes.browser import browser
from tests.fakes.examples import DECISION, DOMAIN_SNAPSHOT, LOAD, OPERATION, SNAPSHOT, VIEW

DOMAINS = 1000
INTERVAL_S = 5.0
HISTORY_TICKS = 360
PAINTS = 9
READERS = 50
WINDOWS = 3
TICKS_A_WINDOW = 4

PAINTED = """
const paint = performance.getEntriesByName('first-contentful-paint')[0];
return paint ? [paint.startTime, performance.getEntriesByType('navigation')[0].responseEnd] : null;
"""


def page(say: Callable[[str], None]) -> list[Figure]:
    """First paint of the overview, and the service's CPU with 50 browsers that listen and with none."""
    chance = random.Random(1)
    snapshots = [_snapshot(tick, chance) for tick in range(HISTORY_TICKS)]
    with _served(snapshots) as (server, show):
        painted_ms, answered_ms = _paints(server.url, show, chance)
        say(f"first paint: {sorted(painted_ms)[PAINTS // 2]:.0f} ms")
        alone = _cpu(show, chance)
        with _listeners(server.url):
            beside = _cpu(show, chance)
            assert len(server.page.listeners) == READERS, "some did not listen to the end"
        say(f"listeners: {max(beside):.2f} % of a core at most")
    return [
        figure("page.first-paint", "ms", painted_ms),
        figure("page.answered", "ms", answered_ms),
        figure("page.50-listeners", "% of a core", beside),
        figure("page.no-listener", "% of a core", alone),
    ]


@contextmanager
def _served(snapshots: list[Snapshot]) -> Iterator[tuple[WebServer, Callable[[Snapshot], None]]]:
    """A web server that has seen the snapshots, and what hands it another."""
    newest = [snapshots[0]]
    with tempfile.TemporaryDirectory() as folder:
        sources = Sources(
            newest=lambda: newest[0],
            registry=CollectorRegistry(),
            journal=Path(folder) / "journal.sqlite",
            healthy=lambda: None,
            interval_s=INTERVAL_S,
        )
        server = WebServer(sources, host="127.0.0.1", port=0)
        for snapshot in snapshots:
            server.page.see(snapshot)
        newest[0] = snapshots[-1]
        with closing(server):
            server.start()
            yield server, lambda snapshot: newest.__setitem__(0, snapshot)


def _paints(
    url: str, show: Callable[[Snapshot], None], chance: random.Random
) -> tuple[list[float], list[float]]:
    """Milliseconds from the navigation to the first paint with content, and to the answer's end."""
    painted, answered = [], []
    with browser() as opened:
        opened.driver.execute_cdp_cmd("Network.enable", {})
        opened.driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
        for number in range(PAINTS + 1):
            opened.driver.get("about:blank")
            show(_snapshot(HISTORY_TICKS + number, chance))
            opened.look(f"{url}/")
            opened.wait(lambda: opened.run(PAINTED), "nothing was painted")
            assert len(opened.all("#rows > tr")) == DOMAINS
            first, end = opened.run(PAINTED)
            if number:  # The first time the browser has to get ready.
                painted.append(float(first))
                answered.append(float(end))
    return painted, answered


def _cpu(show: Callable[[Snapshot], None], chance: random.Random) -> list[float]:
    """Per cent of a core that this process spends on its pages while snapshots come one by one."""
    found = []
    for window in range(WINDOWS):
        coming = [
            _snapshot(1000 + TICKS_A_WINDOW * window + number, chance) for number in range(TICKS_A_WINDOW)
        ]
        started_s, spent_s = time.monotonic(), time.process_time()
        for snapshot in coming:
            show(snapshot)
            time.sleep(INTERVAL_S)
        spent_s = time.process_time() - spent_s
        found.append(100 * spent_s / (time.monotonic() - started_s))
    return found


@contextmanager
def _listeners(url: str) -> Iterator[None]:
    """Fifty listeners in a process of their own, that read whatever comes."""
    ready = multiprocessing.get_context("spawn").Event()
    process = multiprocessing.get_context("spawn").Process(target=_listen, args=(url, ready), daemon=True)
    process.start()
    try:
        assert ready.wait(60)
        yield
    finally:
        process.terminate()
        process.join(10)


def _listen(url: str, ready: object) -> None:
    async def drain() -> None:
        readers = [await _listening(url) for _ in range(READERS)]
        ready.set()  # type: ignore[attr-defined]
        await asyncio.gather(*(_drained(reader) for reader in readers))

    asyncio.run(drain())


async def _drained(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 20):
        pass


async def _listening(url: str) -> asyncio.StreamReader:
    """A connection that has been told to fetch the page, as one is that knows of none, and listens on."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"event: stale\ndata:\n\n")
    return reader


def _snapshot(tick: int, chance: random.Random) -> Snapshot:
    """A thousand domains whose loads wander, a few of which move."""
    domains = tuple(_domain(number, tick, chance) for number in range(DOMAINS))
    wall_s = SNAPSHOT.wall_s + INTERVAL_S * tick
    return replace(
        SNAPSHOT,
        wall_s=wall_s,
        tick=tick + 1,
        domains=domains,
        hosts=(HostSnapshot(label="h", trouble=None),),
    )


def _domain(number: int, tick: int, chance: random.Random) -> DomainSnapshot:
    online = 2 + round(1.5 + 1.5 * sin(tick / 40 + number))
    busy = online * min(max(0.6 + chance.gauss(0, 0.05), 0.0), 1.0)
    load = replace(LOAD, online=online, busy_vcpus=busy, demand_vcpus=busy)
    name = f"guest-{number:04d}"
    view = replace(
        VIEW,
        id=DomainId("h", f"00000000-0000-0000-0000-{number:012d}"),
        name=name,
        plugged=online + 1,
        maximum=16,
        at_s=INTERVAL_S * tick,
    )
    slices = tick // 12
    slo = replace(
        DOMAIN_SNAPSHOT.slo,
        slices_total={SliceOutcome.GOOD: slices, SliceOutcome.BAD: number % 7 * slices // 50},
    )
    decision = replace(
        DECISION, domain=view.id, name=name, online=online, target=online, next_vcpus=online, load=load
    )
    operation = replace(OPERATION, requested_s=INTERVAL_S * (tick // 40 * 40))
    return replace(
        DOMAIN_SNAPSHOT,
        label=name,
        view=view,
        online=online,
        load=load,
        decision=decision,
        slo=slo,
        last_operation=operation,
    )
