"""What one tick's pure work costs: observing, judging, deciding, sharing out; no guest and no disk."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable, Sequence

from autoscaler.core.arbiter import Capacity, arbitrate
from autoscaler.core.domain_state import DomainState
from autoscaler.core.learned import Learned
from autoscaler.core.model import CpuSource, DomainId, DomainView, RunState, Sample
from autoscaler.core.policy import HostShare, Match, Policy
from autoscaler.core.slo import SliceOutcome
from tests.bench.figures import Figure, figure

SIZES = (1000, 5000)
WARM_TICKS = 20
TICKS = 30
INTERVAL_S = 5.0
WALL_S = 1_800_000_000.0
LEARNED_DOMAINS = 200
LEARNED_LEVELS = 8
LEARNED_DAYS = 30
ONLINE = frozenset(range(4))

POLICY = Policy(name="bench", match=Match(name=("*",)), max_vcpus=16, host=HostShare(priority=10))
PRIOR = Policy(name="prior", match=Match(name=("*",)), max_vcpus=16)


def tick(say: Callable[[str], None]) -> list[Figure]:
    """The tick of 1,000 and of 5,000 domains, and what one domain's learned state holds in memory."""
    found = []
    for size in SIZES:
        spent_ms = _ticks(size)
        found.append(figure(f"tick.{size}", "ms", spent_ms))
        say(f"tick of {size} domains: {sorted(spent_ms)[len(spent_ms) // 2]:.1f} ms")
    found.append(figure("tick.learned", "KiB", [_learned_kib()]))
    return found


def _ticks(size: int) -> list[float]:
    """Milliseconds of each of `TICKS` ticks of so many domains whose loads wander, on a host that is full."""
    chance = random.Random(size)
    policies = (POLICY, PRIOR)
    views = [_view(number) for number in range(size)]
    states = [DomainState(view, policies[number % 2], 0.0) for number, view in enumerate(views)]
    busy_s = [0.0] * size
    capacity = Capacity(vcpus=4 * size, pressed=False, changes_left=size)
    spent_ms = []
    for number in range(WARM_TICKS + TICKS):
        now_s = INTERVAL_S * (number + 1)
        samples = []
        for index in range(size):
            busy_s[index] += INTERVAL_S * chance.uniform(0.2, 3.9)
            samples.append(_sample(now_s, busy_s[index]))
        started_s = time.perf_counter()
        _tick(states, views, samples, capacity, now_s)
        if number >= WARM_TICKS:
            spent_ms.append(1000 * (time.perf_counter() - started_s))
    return spent_ms


def _tick(
    states: Sequence[DomainState],
    views: Sequence[DomainView],
    samples: Sequence[Sample],
    capacity: Capacity,
    now_s: float,
) -> None:
    """Everything that the core does in one tick; the moves are granted and not begun."""
    for state, view, sample in zip(states, views, samples, strict=True):
        state.observe(view, sample, now_s)
        state.decide(now_s, WALL_S + now_s)
    if any(state.wants_to_move for state in states):
        requests = [state.request(now_s, asks=True) for state in states]
        grants = arbitrate(requests, capacity)
        for state in states:
            state.settle(grants[state.view.id])


def _view(number: int) -> DomainView:
    domain = DomainId("bench", f"00000000-0000-0000-0000-{number:012d}")
    return DomainView(
        id=domain, name=f"guest-{number}", state=RunState.RUNNING, plugged=4, maximum=16, at_s=0.0
    )


def _sample(at_s: float, busy_s: float) -> Sample:
    return Sample(
        at_s=at_s,
        source=CpuSource.PROC_STAT,
        busy_s=busy_s,
        steal_s=0.0,
        online=ONLINE,
        runnable=2,
        boot_s=1.0,
    )


def _learned_kib() -> float:
    """Memory of one domain's learned state after a month in which slices of every kind alternate."""
    chance = random.Random(1)
    outcomes = list(SliceOutcome)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [Learned(POLICY, 0.0, lag_s=10.0) for _ in range(LEARNED_DOMAINS)]
    for learned in kept:
        for number in range(LEARNED_LEVELS * 10):
            learned.recommender.note(chance.randint(1, LEARNED_LEVELS), 600.0 * number)
        for _ in range(100):
            learned.recommender.judge(chance.choice(outcomes), 60_000.0)
        learned.slo.feed(None, 86400.0 * LEARNED_DAYS)
    spent = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return spent / LEARNED_DOMAINS / 1024
