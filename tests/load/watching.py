"""What a running service costs and how well it keeps its time, seen by itself and from outside."""

from __future__ import annotations

import cmath
import contextlib
import itertools
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.fakes.footprint import cpu_s, memory_mib
from tests.fakes.running_service import RunningService
from tests.load.crowd import Crowd
from tests.load.installed import Installed

IN_TIME_RATIO = 0.9
"""Of the interval: so late after its tick a sample is missing for the service, too."""
_BEFORE_RATIO = 0.05
"""Of the interval: how long before the first readings their round is taken to begin."""
SCRAPE_EVERY_S = 15.0
_BUCKETS = re.compile(r'^vcpu_autoscaler_tick_lateness_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a process costs its host."""

    cpu_ratio: float
    """CPU time, of one core."""
    memory_mib: float
    """Resident at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was seen of a service over a while."""

    in_time_ratio: float
    """Of the samples that were due: how many came in time."""
    costs: dict[str, Cost]
    """Of each of its processes, by what it is."""
    lateness_s: float
    """Of 99 in 100 ticks, by the service's own metrics, interpolated within a bucket as Prometheus does."""
    seen_lateness_s: float
    """The same from outside: how much later than the earliest a tick's first guest was read."""
    read_within_s: float
    """How long after the first guest of a tick 99 in 100 are read."""


def watch(at_work: Installed, crowd: Crowd, *, interval_s: float, ticks: int) -> Watched:
    """Look at a service for so many ticks, scraping it as Prometheus would."""
    pids = {"service": at_work.service.process.pid}
    if at_work.actuator is not None:
        pids["actuator"] = at_work.actuator.process.pid
    crowd.take_samplings()
    lateness_s = own_lateness(at_work.service)
    before_s, began_s = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
    end_s = began_s + ticks * interval_s
    while (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(left_s, SCRAPE_EVERY_S))
        late_s = lateness_s()
    took_s = time.monotonic() - began_s
    costs = {
        name: Cost(cpu_ratio=(cpu_s(pid) - before_s[name]) / took_s, memory_mib=memory_mib(pid))
        for name, pid in pids.items()
    }
    in_time_ratio, seen_lateness_s, read_within_s = punctuality(
        crowd.take_samplings(), interval_s=interval_s, span_s=(began_s, end_s)
    )
    return Watched(
        in_time_ratio=in_time_ratio,
        costs=costs,
        lateness_s=late_s,
        seen_lateness_s=seen_lateness_s,
        read_within_s=read_within_s,
    )


def own_lateness(service: RunningService) -> Callable[[], float]:
    """Begin to look; what is returned tells how late 99 in 100 ticks were, in seconds, by its metrics."""
    before = _lateness(service)

    def since() -> float:
        after = _lateness(service)
        return _quantile(0.99, {le: after[le] - before[le] for le in after})

    return since


@contextlib.contextmanager
def sampled_ratio(service: RunningService, interval_s: float) -> Iterator[Callable[[], float]]:
    """Look, for the block, when a few guests are sampled; tells the share that there was of those due."""
    newest: dict[str, float] = {}
    count = itertools.count()
    done, began_s = threading.Event(), time.monotonic()

    def look() -> None:
        while not done.wait(interval_s / 5):
            domains = []
            # Another look follows where the service, beside so much other work, does not answer one.
            with contextlib.suppress(OSError):
                domains = service.get("/api/v1/domains")
            for domain in domains:
                name, at_s = domain["name"], domain["last_sample_wall_s"] or 0.0
                # It is reckoned anew from the age, and so not to the last digit what it was.
                if at_s - newest.setdefault(name, at_s) > interval_s / 2:
                    newest[name] = at_s
                    next(count)

    def ratio() -> float:
        return next(count) / (len(newest) * ((time.monotonic() - began_s) // interval_s))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield ratio
    finally:
        done.set()
        looking.join()


def _lateness(service: RunningService) -> dict[float, float]:
    """Upper end of a bucket, in seconds -> ticks that were not later."""
    return {float(le): float(count) for le, count in _BUCKETS.findall(service.get("/metrics"))}


def _quantile(share: float, buckets: dict[float, float]) -> float:
    wanted = share * buckets[float("inf")]
    for (low_s, below), (high_s, count) in itertools.pairwise([(0.0, 0.0), *sorted(buckets.items())]):
        if count >= wanted and count > below:
            return (
                low_s
                if high_s == float("inf")
                else low_s + (high_s - low_s) * (wanted - below) / (count - below)
            )
    return 0.0


def punctuality(
    samplings: Sequence[Sequence[float]], *, interval_s: float, span_s: tuple[float, float]
) -> tuple[float, float, float]:
    """Share of samples in time; lateness of the ticks; time from a tick's first guest to the last but 1 %.

    Args:
        samplings: by guest, when it was read.
        interval_s: from one tick to the next.
        span_s: from when to when they were watched; ticks that are not wholly in it do not count.
    """
    phase_s = _phase_s([at_s for moments in samplings for at_s in moments], interval_s)
    first, last = (int((at_s - phase_s) // interval_s) for at_s in span_s)
    rounds = range(first + 1, last)
    found: dict[int, list[float]] = {number: [] for number in rounds}
    in_time = 0
    for moments in samplings:
        read = [divmod(at_s - phase_s, interval_s) for at_s in moments]
        for number, after_s in read:
            if number in found:
                found[int(number)].append(after_s)
        seen = {number for number, after_s in read if after_s <= IN_TIME_RATIO * interval_s}
        in_time += len(seen & found.keys())
    firsts_s = [min(after_s, default=interval_s) for after_s in found.values()]
    late_s = [first_s - min(firsts_s) for first_s in firsts_s]
    within_s = [after_s - min(readings) for readings in found.values() for after_s in readings]
    return in_time / (len(samplings) * len(rounds)), _p99(late_s), _p99(within_s)


def _phase_s(moments_s: Sequence[float], interval_s: float) -> float:
    """The moment of the interval at which rounds of reading begin, or a little before.

    It is looked for before where most of them lie, so that single ones that are late by nearly an interval
    are not taken for early ones.
    """
    assert moments_s, "no guest was read at all"
    turns = sum(cmath.exp(2j * cmath.pi * at_s / interval_s) for at_s in moments_s)
    usual_s = cmath.phase(turns) / (2 * cmath.pi) * interval_s
    away_s = sorted((at_s - usual_s + interval_s / 2) % interval_s - interval_s / 2 for at_s in moments_s)
    return usual_s + away_s[len(away_s) // 100] - _BEFORE_RATIO * interval_s


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]
