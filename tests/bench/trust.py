"""How soon the service recovers where its hypervisor went away, and what a kill of its own breaks."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from autoscaler.lab.image import build_image
from autoscaler.lab.spec import GuestSpec
from tests.bench.figures import Figure, figure
from tests.fakes.crash_lab import CrashLab
from tests.fakes.guest_homes import LibvirtHome, guest_home
from tests.fakes.running_service import RunningService, running_service

RESTARTS = 10
INTERVAL_S = 1.0
"""Of the service that is run."""
KILLS = 200
LONGEST_LIFE_S = 0.9

Say = Callable[[str], None]


def recovery(say: Say) -> list[Figure]:
    """Intervals from a libvirtd that answers again until the service has the next sample of a guest."""
    image = build_image(say)
    intervals: list[float] = []
    with tempfile.TemporaryDirectory(prefix="vcpu-bench-") as name, guest_home("libvirt", image) as home:
        if not isinstance(home, LibvirtHome):
            raise TypeError(home)
        with running_service(Path(name), home.connection) as service:
            home.boot(GuestSpec(name="watched"))
            service.wait_for("watched", lambda domain: domain["load"] is not None)
            for run in range(RESTARTS):
                home.daemon.kill()
                time.sleep(run % 5)
                home.daemon.start()
                back_s = time.time()
                intervals.append((_sampled_after(service, back_s) - back_s) / INTERVAL_S)
                say(f"recovery {run + 1} of {RESTARTS}: {intervals[-1]:.2f} intervals")
    return [figure("recovery", "intervals", intervals)]


def _sampled_after(service: RunningService, wall_s: float) -> float:
    found = service.wait_for("watched", lambda domain: (domain["last_sample_wall_s"] or 0.0) > wall_s)
    sampled_wall_s: float = found["last_sample_wall_s"]
    return sampled_wall_s


def crash(say: Say) -> list[Figure]:
    """What the invariants of a change counted as broken, kill by kill, and how soon a last life converged.

    What that one broke counts as the last kill's. A figure of no violations says nothing unless the service
    lived and changed something, so it is an error where it did not.
    """
    broken: list[float] = []
    with tempfile.TemporaryDirectory(prefix="vcpu-bench-") as name, CrashLab(Path(name), seed=200) as lab:
        for kill in range(KILLS):
            found = lab.live(for_s=lab.chance.uniform(0.05, LONGEST_LIFE_S))
            broken.append(len(found))
            if found or kill % 20 == 19:
                say(f"crash {kill + 1} of {KILLS}: {'; '.join(found) or 'nothing broken'}")
        if not lab.checks.acts:
            raise RuntimeError(f"nothing was changed in {KILLS} lives: {lab.service.log.read_text()[-2000:]}")
        changes, asked_back, begun_s = lab.checks.acts, lab.checks.asked_back, time.monotonic()
        broken[-1] += len(left := lab.converge())
        say(f"crash, the last life: {'; '.join(left) or 'nothing broken'}")
        return [
            figure("crash.violations", "a kill", broken),
            figure("crash.changes", "in all", [changes]),
            figure("crash.asked_back", "in all", [asked_back]),
            figure("crash.converged", "s", [time.monotonic() - begun_s]),
        ]
