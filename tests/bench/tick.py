"""What one tick's pure work costs: observing, judging, deciding, sharing out; no guest and no disk."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace

from autoscaler.core.arbiter import Capacity, arbitrate
from autoscaler.core.asking import request_of
from autoscaler.core.domain_state import DomainState
from autoscaler.core.learned import Learned
from autoscaler.core.model import CpuSource, DomainId, DomainView, RunState, Sample
from autoscaler.core.policy import HostShare, ManualChange, Match, Policy
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
_ONLINE = [frozenset(range(count)) for count in range(17)]

PRIOR = Policy(
    name="prior",
    match=Match(name=("*",)),
    max_vcpus=16,
    # Here the counts change though nobody begins a change: that is to be nobody's doing.
    manual_change=ManualChange(respect_for_s=0.0),
)
POLICY = replace(PRIOR, name="bench", host=HostShare(priority=10))


def tick(say: Callable[[str], None]) -> list[Figure]:
    """The tick of 1,000 and of 5,000 domains, and what one domain's learned state holds in memory.

    Twice each: where what was granted has come true by the next tick, so that those ask whose load has
    changed; and, as the worst there is, where nothing ever comes true and nearly all ask at every tick.
    """
    found = []
    for size in SIZES:
        for name, comes_true in ((f"tick.{size}", True), (f"tick.{size}.all-ask", False)):
            spent_ms = _ticks(size, comes_true=comes_true)
            found.append(figure(name, "ms", spent_ms))
            say(f"{name}: {sorted(spent_ms)[len(spent_ms) // 2]:.1f} ms")
    found.append(figure("tick.learned", "KiB", [_learned_kib()]))
    return found


def _ticks(size: int, *, comes_true: bool) -> list[float]:
    """Milliseconds of each of `TICKS` ticks of so many domains whose loads wander, on a host that is full."""
    chance = random.Random(size)
    policies = (POLICY, PRIOR)
    views = [_view(number) for number in range(size)]
    states = [DomainState(view, policies[number % 2], 0.0) for number, view in enumerate(views)]
    busy_s, wanted = [0.0] * size, [2.0] * size
    capacity = Capacity(vcpus=4 * size, pressed="", changes_left=size)
    spent_ms = []
    for number in range(WARM_TICKS + TICKS):
        now_s = INTERVAL_S * (number + 1)
        samples = []
        for index, state in enumerate(states):
            decision = state.decision
            online = (
                decision.next_vcpus if comes_true and decision is not None and decision.act else state.online
            )
            wanted[index] = min(max(wanted[index] + chance.gauss(0.0, 0.1), 0.2), 8.0)
            busy_s[index] += INTERVAL_S * min(wanted[index], online)
            samples.append(_sample(now_s, busy_s[index], online))
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
    """Everything that the core does in one tick, short of driving the moves."""
    for state, view, sample in zip(states, views, samples, strict=True):
        state.observe(view, sample, now_s)
        state.decide(now_s, WALL_S + now_s)
    asking = {state.view.id for state in states if state.wants_to_move}
    if asking:
        requests = [request_of(state, now_s, asks=state.view.id in asking) for state in states]
        grants = arbitrate(requests, capacity)
        for state in states:
            if state.view.id in asking:
                state.settle(grants[state.view.id])


def _view(number: int) -> DomainView:
    domain = DomainId("bench", f"00000000-0000-0000-0000-{number:012d}")
    return DomainView(
        id=domain, name=f"guest-{number}", state=RunState.RUNNING, plugged=16, maximum=16, at_s=0.0
    )


def _sample(at_s: float, busy_s: float, online: int) -> Sample:
    return Sample(
        at_s=at_s,
        source=CpuSource.PROC_STAT,
        busy_s=busy_s,
        steal_s=0.0,
        online=_ONLINE[online],
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
