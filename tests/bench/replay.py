"""How fast a replay is: the real controller over simulated guests, and the optimum, on all CPUs.

The demand is made here, so that no recording is needed: a daily wave, steps of some minutes, and noise.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np

from autoscaler.core.policy import Match, Policy, PolicySet
from autoscaler.replay.circumstances import Circumstances
from autoscaler.replay.result import POLICY
from autoscaler.replay.trace import Trace
from autoscaler.service.rehearsal_chunks import share_out
from autoscaler.service.rehearsal_processes import cpus, on_all_cpus
from autoscaler.service.trial import Trial, TrialPart
from tests.bench.figures import Figure, figure

DAY_S = 86400.0
STEP_S = 10.0
DOMAINS, DAYS = 100, 7.0
SIZES = ((10, 1.0), (100, 0.1), (1000, 0.01))
"""Domains and days of each: as many domain-days in all."""
ADAPTIVE = PolicySet(policies=(Policy(name="adaptive", match=Match(name=("*",))),), digest="bench")


def replay(say: Callable[[str], None]) -> list[Figure]:
    """A week of a hundred domains, in time and memory; and what a domain-day costs, by how many there are."""
    found = []
    for domains, days in SIZES:
        spent_s = _spent_s(_demand(domains, days), say)
        found.append(figure(f"replay.{domains}.domain-day", "s", [spent_s / (domains * days)]))
    spent_s = _spent_s(_demand(DOMAINS, DAYS), say)
    found += [
        figure("replay.week", "s", [spent_s]),
        figure("replay.week.step", "us of wall time", [1e6 * spent_s * STEP_S / (DOMAINS * DAYS * DAY_S)]),
        figure("replay.week.memory", "MiB", [_peak_mib()]),
    ]
    return found


def _spent_s(traces: list[Trace], say: Callable[[str], None]) -> float:
    """Seconds of a replay of one policy against the optimum."""
    progress = _Progress(say, sum(len(trace.demand_vcpus) for trace in traces))
    trial = Trial(policies={POLICY: ADAPTIVE}, circumstances=Circumstances(), baselines=False)
    started_s = time.perf_counter()
    groups = share_out(traces, trial.circumstances, workers=cpus(None))
    on_all_cpus([TrialPart(group, trial) for group in groups], progress=progress)
    return time.perf_counter() - started_s


@dataclass(slots=True)
class _Progress:
    """Says each tenth of the way."""

    say: Callable[[str], None]
    total: int
    over: int = 0

    def __call__(self, steps: int) -> None:
        before, self.over = self.over, self.over + steps
        if 10 * self.over // self.total > 10 * before // self.total:
            self.say(f"replay: {self.over:,} of {self.total:,} domain-steps")


def _demand(domains: int, days: float) -> list[Trace]:
    return [_trace(number, round(days * DAY_S / STEP_S)) for number in range(domains)]


def _trace(number: int, steps: int) -> Trace:
    chance = np.random.default_rng(number)
    at_s = np.arange(steps) * STEP_S
    wave = 1.5 + np.sin(2 * np.pi * (at_s / DAY_S + chance.random()))
    jumps = np.repeat(chance.exponential(0.4, ceil(steps / 60)), 60)[:steps]
    demand_vcpus = wave + jumps + chance.normal(0.0, 0.1, steps).clip(-0.4, 0.4)
    return Trace(
        domain=f"bench-{number}",
        start_s=0.0,
        step_s=STEP_S,
        demand_vcpus=demand_vcpus,
        maximum=max(2, ceil(2 * demand_vcpus.max())),
        recorded_s=STEP_S,
    )


def _peak_mib() -> float:
    """Most memory that this process had, and its workers, if each had as much as the largest of them."""
    own, largest = (
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return (own + cpus(None) * largest) / 1024
