"""How fast a replay is: the real controller over simulated guests, and the optimum, on all CPUs.

The demand is made here, so that no recording is needed: a daily wave, steps of some minutes, and noise.
A week of it runs by the source as it is and by the compiled one, each in a process of its own; both have to
come to the same courses.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
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
from autoscaler.replay.result import POLICY
from autoscaler.replay.trace import Trace
from autoscaler.service.rehearsal import rehearse
from autoscaler.service.rehearsal_chunks import share_out
from autoscaler.service.rehearsal_processes import cpus, on_all_cpus
from autoscaler.service.trial import Trial, TrialPart
from tests.bench.compiled import REPO, compiled
from tests.bench.figures import Figure, figure

DAY_S = 86400.0
STEP_S = 10.0
DOMAINS, DAYS = 100, 7.0
SIZES = ((10, 1.0), (100, 0.1), (1000, 0.01))
"""Domains and days of each: as many domain-days in all."""
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
    """What a domain-day costs, by how many there are; and a week of a hundred domains, in time and memory."""
    found = []
    for domains, days in SIZES:
        spent_s = _spent_s(_demand(domains, days), say)
        found.append(figure(f"replay.{domains}.domain-day", "s", [spent_s / (domains * days)]))
    weeks = {"replay.week": _week_from(REPO), "replay.compiled.week": _week_from(compiled(say))}
    assert len({week.courses for week in weeks.values()}) == 1, "compiled, it decides otherwise than as it is"
    for name, week in weeks.items():
        step_us = 1e6 * week.spent_s * STEP_S / (DOMAINS * DAYS * DAY_S)
        found += [
            figure(name, "s", [week.spent_s]),
            figure(f"{name}.step", "us of wall time", [step_us]),
            figure(f"{name}.memory", "MiB", [week.peak_mib]),
        ]
    return found


class Week(NamedTuple):
    """What `main` prints."""

    spent_s: float
    peak_mib: float
    courses: str
    """A digest of what came of a short replay with mishaps, to the last digit."""


def _week_from(tree: Path) -> Week:
    """A week by the `autoscaler` that is in this folder."""
    found = subprocess.run(
        [sys.executable, "-P", "-m", "tests.bench.replay", str(DOMAINS), str(DAYS)],
        env=os.environ | {"PYTHONPATH": f"{tree}{os.pathsep}{REPO}"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Week(*json.loads(found.stdout))


def main(domains: int, days: float) -> None:
    """Replay that much here and now."""
    courses = _courses_digest()
    spent_s = _spent_s(_demand(domains, days), _to_stderr)
    print(json.dumps(Week(spent_s, _peak_mib(), courses)))  # noqa: T201 - the answer


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _courses_digest() -> str:
    digest = hashlib.sha256()
    for course in rehearse(_demand(12, 0.25), ADAPTIVE, MISHAPS):
        for name in (one.name for one in fields(course)):
            value = getattr(course, name)
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()


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


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
