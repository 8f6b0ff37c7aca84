"""Whether simulated guests take as long as real ones: one story of demand on both, from a step to the vCPUs.

A guest is calm, wants 1.8 vCPUs at once, and is calm again, several times: its first growth is by plugging,
the others of vCPUs that are plugged still. Demand steps at any moment between two samples, on both sides.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from autoscaler.core.policy import PolicySet
from autoscaler.lab.image import build_image
from autoscaler.lab.spec import GuestSpec
from autoscaler.policyfile.load import load_policies
from autoscaler.replay.circumstances import Circumstances
from autoscaler.replay.course import Course
from autoscaler.replay.trace import Trace
from autoscaler.service.rehearsal import rehearse
from tests.bench.figures import Figure, figure
from tests.bench.loop import CALM_VCPUS, HIGH_VCPUS, NEEDED, NO_BRAKE, calm_guest, load_step, watched
from tests.fakes.quick_policy import QUICK_POLICY

GUESTS, STEPS = 6, 4
SIMULATED = 50
CALM_S, HIGH_S = 40, 10
TOLERANCE_S = 0.5
"""Half an interval: by so much the medians may differ."""

Taken = dict[str, list[float]]
"""Seconds from a step to the vCPUs online, by whether they had to be plugged."""


def agreement(say: Callable[[str], None]) -> list[Figure]:
    """The times of both, and by how much their medians differ."""
    lab, simulated = _on_real_guests(say), _on_simulated_guests()
    found = []
    for kind in lab:
        apart_s = median(simulated[kind]) - median(lab[kind])
        say(f"agreement.{kind}: {apart_s:+.2f} s apart, {TOLERANCE_S} s are tolerated")
        found += [
            figure(f"agreement.{kind}.lab", "s", lab[kind]),
            figure(f"agreement.{kind}.simulated", "s", simulated[kind]),
            figure(f"agreement.{kind}.apart", "s", [apart_s]),
        ]
    return found


def _on_real_guests(say: Callable[[str], None]) -> Taken:
    phase = random.Random(3)
    taken: Taken = {"plugged": [], "warm": []}
    image = build_image(say)
    with watched(NO_BRAKE) as at_work:
        for number in range(GUESTS):
            name = f"agree-{number}"
            with calm_guest(GuestSpec(name=name), image, at_work.guests) as guest:
                for step in range(STEPS):
                    at_work.wait(name, lambda online: online == 1, 60)
                    time.sleep(1 + phase.random())
                    taken["warm" if step else "plugged"].append(load_step(at_work, guest)["online"])
                    guest.load(CALM_VCPUS)
            say(f"agreement: guest {number + 1} of {GUESTS}: {_seconds(taken)}")
    return taken


def _seconds(taken: Taken) -> str:
    """What was measured up to now, least to most."""
    return ", ".join(f"{kind} {min(found):.2f} to {max(found):.2f} s" for kind, found in taken.items())


def _on_simulated_guests() -> Taken:
    taken: Taken = {"plugged": [], "warm": []}
    phases_s = [(number + 0.5) / SIMULATED for number in range(SIMULATED)]
    traces = [_story(number, phase_s) for number, phase_s in enumerate(phases_s)]
    for course, phase_s in zip(rehearse(traces, _policies(), Circumstances()), phases_s, strict=True):
        for step in range(STEPS):
            begins_s = (CALM_S + HIGH_S) * step + CALM_S + phase_s
            taken["warm" if step else "plugged"].append(_grown_s(course, begins_s) - begins_s)
    return taken


def _story(number: int, phase_s: float) -> Trace:
    """Calm and high in turn; of the second in which it steps the demand is the mean."""
    mixed = phase_s * CALM_VCPUS + (1 - phase_s) * HIGH_VCPUS
    once = [CALM_VCPUS] * CALM_S + [mixed] + [HIGH_VCPUS] * (HIGH_S - 1)
    return Trace(
        domain=f"story-{number}",
        start_s=0.0,
        step_s=1.0,
        demand_vcpus=np.array(once * STEPS),
        maximum=4,
        recorded_s=1.0,
    )


def _grown_s(course: Course, since_s: float) -> float:
    return next(move.at_s for move in course.moves if move.at_s > since_s and move.to_vcpus >= NEEDED)


def _policies() -> PolicySet:
    with tempfile.TemporaryDirectory(prefix="vcpu-bench-") as folder:
        file = Path(folder) / "policy.yaml"
        file.write_text(QUICK_POLICY)
        found = load_policies([file]).policy_set
    assert found is not None
    return found
