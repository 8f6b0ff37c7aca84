"""How fast a replay is: the real controller over simulated guests, and the optimum, on all CPUs.

The demand is made here, so that no recording is needed: a daily wave, steps of some minutes, and noise. A day
of it is run for 10, 100 and 1,000 domains by the compiled source, a week for a hundred by that and by the
source as it is: both have to come to the same courses. Each replay has processes of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autoscaler.core.policy import Match, Policy, PolicySet
from autoscaler.replay.circumstances import Circumstances, Contention
from autoscaler.replay.judged import Tried
from autoscaler.replay.result import POLICY
from autoscaler.replay.trace import Trace
from autoscaler.service.rehearsal import rehearse
from autoscaler.service.rehearsal_chunks import share_out
from autoscaler.service.rehearsal_processes import cpus, on_all_cpus
from autoscaler.service.trial import Trial, TrialPart
from tests.bench.compiled import REPO, compiled
from tests.bench.figures import Figure, figure
from tests.fakes.footprint import memory_mib

DAY_S = 86400.0
STEP_S = 10.0
DOMAINS, DAYS = 100, 7.0
SIZES, SIZED_DAYS = (10, 100, 1000), 1.0
NOTHING = (10, 0.01)
"""Domains and days of next to nothing: what it takes is what every replay takes, to start its processes."""
ADAPTIVE = PolicySet(policies=(Policy(name="adaptive", match=Match(name=("*",))),), digest="bench")


MISHAPS = Circumstances(
    missing_ratio=0.05,
    refused_onlining_ratio=0.1,
    refused_offlining_ratio=0.1,
    refused_removal_ratio=0.1,
    contention=Contention(stolen_ratio=0.3, every_s=7200.0),
)
"""For the courses that are compared."""


def replay(say: Callable[[str], None]) -> list[Figure]:
    """What a domain-day takes, by how many domains there are; and what a week of a hundred takes."""
    quick = compiled(say)
    start = _run_from(quick, *NOTHING)
    found = [
        figure("replay.start", "s", [start.spent_s]),
        figure("replay.start.memory", "MiB", [start.peak_mib]),
    ]
    for domains in SIZES:
        run = _run_from(quick, domains, SIZED_DAYS)
        found += _figures(f"replay.{domains}", run, start, domains * SIZED_DAYS)
    trees = {"replay.week": REPO, "replay.compiled.week": quick}
    weeks = {name: _run_from(tree, DOMAINS, DAYS) for name, tree in trees.items()}
    assert len({week.courses for week in weeks.values()}) == 1, "compiled, it decides otherwise than as it is"
    for name, week in weeks.items():
        step_us = 1e6 * week.spent_s * STEP_S / (DOMAINS * DAYS * DAY_S)
        found += _figures(name, week, start, DOMAINS * DAYS)
        found.append(figure(f"{name}.step", "us of wall time", [step_us]))
    return found


def _figures(name: str, run: Run, start: Run, domain_days: float) -> list[Figure]:
    """All that a replay took, and what a domain-day took of it, besides the start."""
    each_s, each_mib = (
        (whole - once) / domain_days
        for whole, once in ((run.spent_s, start.spent_s), (run.peak_mib, start.peak_mib))
    )
    return [
        figure(name, "s", [run.spent_s]),
        figure(f"{name}.domain-day", "s", [each_s]),
        figure(f"{name}.memory", "MiB", [run.peak_mib]),
        figure(f"{name}.domain-day.memory", "MiB", [each_mib]),
    ]


class Run(NamedTuple):
    """What `main` prints."""

    spent_s: float
    peak_mib: float
    """The most memory of each of its processes, together."""
    courses: str
    """A digest of what came of a short replay with mishaps, to the last digit."""


def _run_from(tree: Path, domains: int, days: float) -> Run:
    """A replay by the `autoscaler` that is in this folder."""
    found = subprocess.run(
        [sys.executable, "-P", "-m", "tests.bench.replay", str(domains), str(days)],
        env=os.environ | {"PYTHONPATH": f"{tree}{os.pathsep}{REPO}"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Run(*json.loads(found.stdout))


def main(domains: int, days: float) -> None:
    """Replay that much here and now."""
    courses = _courses_digest()
    print(json.dumps(_replayed(_demand(domains, days), courses)))  # noqa: T201 - the answer


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _courses_digest() -> str:
    digest = hashlib.sha256()
    for course in rehearse(_demand(12, 0.25), ADAPTIVE, MISHAPS):
        for name in (one.name for one in fields(course)):
            value = getattr(course, name)
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()


def _replayed(traces: list[Trace], courses: str) -> Run:
    """A replay of one policy against the optimum."""
    progress = _Progress(_to_stderr, sum(len(trace.demand_vcpus) for trace in traces))
    trial = Trial(policies={POLICY: ADAPTIVE}, circumstances=Circumstances(), baselines=False)
    started_s = time.perf_counter()
    groups = share_out(traces, trial.circumstances, workers=cpus(None))
    found = on_all_cpus([_Weighed(TrialPart(group, trial)) for group in groups], progress=progress)
    spent_s = time.perf_counter() - started_s
    # Of a process that did several parts the last says most. Alone, it is this one.
    peaks_mib = {weight.process: weight.peak_mib for weight in (*found, _weight([]))}
    return Run(spent_s, sum(peaks_mib.values()), courses)


@dataclass(frozen=True, slots=True)
class _Weight:
    """What came of a part, and the memory of the process that did it."""

    tried: list[Tried]
    process: int
    peak_mib: float


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A part whose process says what memory it took."""

    part: TrialPart

    @property
    def domain_steps(self) -> int:
        return self.part.domain_steps

    def run(self, progress: Callable[[int], None] | None = None) -> _Weight:
        return _weight(self.part.run(progress))


def _weight(tried: list[Tried]) -> _Weight:
    """Of this process; what `getrusage` says of its peak includes whoever began it."""
    return _Weight(tried, os.getpid(), memory_mib(os.getpid(), "VmHWM"))


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


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
