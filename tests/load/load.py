"""How many guests one service can watch: what 10 to 1,000 of them cost, and whether it keeps its time."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figure, figure
from tests.fakes.running_service import UNHURRIED, RunningService, running_service
from tests.load.crowd import allow_files, crowd
from tests.load.watching import Watched, watch

CPUS = 1024
"""That the host is shown to have, so that its guests may grow; there need be no more than these run on."""
POLICY = """\
version: 1
policies:
  - name: load
    match: {name: ["*"]}
    vcpus: {min: 1, max: 8}
"""
HUNG_RATIO = 0.1
MEETING_S = 120.0
"""Longest until the service has met all its guests."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Course:
    """One service over so many guests."""

    guests: int
    interval_s: float
    ticks: int
    hangs: bool = False
    """Whether it is watched once more with a share of the agents hung."""


COURSES = (
    Course(10, 5.0, 12),
    Course(100, 5.0, 12),
    Course(500, 5.0, 12),
    Course(1000, 5.0, 24, hangs=True),
    Course(200, 1.0, 60),
)
SETTLING_TICKS = 4
"""Before it is watched, all guests being met: the first growths are over."""


def load(say: Say) -> Iterator[Figure]:
    """Samples in time, CPU, memory and lateness, by how many guests there are and how often asked."""
    allow_files(max(course.guests for course in COURSES))
    for course in COURSES:
        yield from run(course, say)


def run(course: Course, say: Say) -> Iterator[Figure]:
    """The figures of one course."""
    name = f"load.{course.guests}" + ("" if course.interval_s == 5.0 else f".{course.interval_s:g}s")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vcpu-load-")))
        (folder / "g").mkdir()
        guests = stack.enter_context(crowd(folder / "g", course.guests))
        service = stack.enter_context(
            running_service(
                folder,
                f"qmp: {folder}/g",
                policy=POLICY,
                host=f"{UNHURRIED}, operations_per_minute: 600",
                interval=f"{round(1000 * course.interval_s)}ms",
                prefix=_on_a_large_host(folder, say),
            )
        )
        service.wait_for_tick(timeout_s=60)
        _wait_until_met(service, course)
        time.sleep(SETTLING_TICKS * course.interval_s)
        yield from _figures(
            name, watch(service, guests, interval_s=course.interval_s, ticks=course.ticks), say
        )
        if course.hangs:
            guests.hang(HUNG_RATIO)
            time.sleep(SETTLING_TICKS * course.interval_s)
            watched = watch(service, guests, interval_s=course.interval_s, ticks=course.ticks)
            yield from _figures(f"{name}.hung", watched, say)


def _wait_until_met(service: RunningService, course: Course) -> None:
    """Wait until the service knows every guest."""
    end_s = time.monotonic() + MEETING_S
    while service.metric('domains{governed="true"}') != course.guests:
        assert time.monotonic() < end_s, f"not all guests were met in {MEETING_S:g} s: {service.log}"
        time.sleep(course.interval_s)


def _figures(name: str, watched: Watched, say: Say) -> Iterator[Figure]:
    found = (
        figure(f"{name}.in-time", "% of samples", [100 * watched.in_time_ratio]),
        figure(f"{name}.cpu", "% of a core", [100 * watched.cpu_ratio]),
        figure(f"{name}.memory", "MiB", [watched.memory_mib]),
        figure(f"{name}.late", "ms", [1000 * watched.lateness_s]),
        figure(f"{name}.late-seen", "ms", [1000 * watched.seen_lateness_s]),
        figure(f"{name}.read", "ms", [1000 * watched.read_within_s]),
    )
    say(", ".join(f"{it.name} {it.values[0]:.1f} {it.unit}" for it in found))
    yield from found


def _on_a_large_host(folder: Path, say: Say) -> tuple[str, ...]:
    """Words before a command that show it a host of `CPUS`; none where that is not allowed."""
    shown = folder / "online"
    shown.write_text(f"0-{CPUS - 1}\n")
    script = 'mount --bind "$0" /sys/devices/system/cpu/online && exec "$@"'
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    prefix = ("unshare", "--mount", *user, "sh", "-c", script, str(shown))
    if subprocess.run((*prefix, "true"), capture_output=True, check=False).returncode == 0:
        return prefix
    say("load: no mount namespace may be made here, so that the host is full and no guest grows")
    return ()
