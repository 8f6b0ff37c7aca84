"""How long it takes to read and check a large policy set, as `autoscaler check` and every reload do."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from autoscaler.policyfile import load_policies
from tests.bench.figures import Figure, figure

POLICIES = 1000
PER_FILE = 10
RUNS = 15
_POLICY = """\
  - name: team-{number}
    match: {{name: ["team-{number}-*"], not_name: ["team-{number}-tmp-*"], metadata: {{tier: gold}}}}
    mode: auto
    vcpus: {{min: 2, max: 8}}
    sla:
      indicator: {{utilization_below: 80%}}
      slice: 1m
      objective: 99%
      window: 30d
    strategy: {{adaptive: {{prices: {{vcpu_minute: 1, add: 1, remove: 4}}}}}}
    limits:
      up: {{step: 100%, cooldown: 0s}}
      down: {{step: 1, cooldown: 1m, per_day: 200, reclaim: offline}}
    schedules:
      - name: office hours
        days: [mon, tue, wed, thu, fri]
        from: "08:00"
        to: "18:00"
        timezone: Europe/Berlin
        vcpus: {{min: 4}}
      - {{name: night, from: "22:00", to: "06:00", timezone: UTC, vcpus: {{max: 4}}, mode: recommend}}
    host: {{priority: 100, weight: 2}}
    missing: {{stale_after: 30s, then: hold}}
    manual_change: {{respect_for: 1h}}
"""
"""Every key, so that no real set of as many policies takes longer."""

Say = Callable[[str], None]


def check(say: Say) -> Iterator[Figure]:
    """Seconds to load and check 1,000 policies in 100 files, with one for everything at the end."""
    say(f"check: {POLICIES} policies, {RUNS} times")
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder))
        yield figure("check", "s", [_load_s(Path(folder)) for _ in range(RUNS)])


def _write(folder: Path) -> None:
    for first in range(0, POLICIES, PER_FILE):
        numbers = range(first, first + PER_FILE)
        text = "".join(_POLICY.format(number=number) for number in numbers)
        (folder / f"{first:06}.yaml").write_text(f"version: 1\npolicies:\n{text}")
    (folder / "rest.yaml").write_text('version: 1\npolicies: [{name: rest, match: {name: ["*"]}}]\n')


def _load_s(folder: Path) -> float:
    start_s = time.perf_counter()
    loaded = load_policies([folder])
    took_s = time.perf_counter() - start_s
    assert loaded.policy_set is not None, loaded.errors
    assert len(loaded.policy_set.policies) == POLICIES + 1
    assert not loaded.warnings
    return took_s
