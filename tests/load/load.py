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

from autoscaler.lab.image import build_image
from autoscaler.lab.qemu_guest import QemuGuest
from autoscaler.lab.spec import GuestSpec
from tests.bench.figures import Figure, figure
from tests.fakes.running_service import RunningService
from tests.load.crowd import Crowd, allow_files, crowd
from tests.load.installed import Installed, installed
from tests.load.watching import Watched, own_lateness, sampled_ratio, watch

CPUS = 1024
"""That the host is shown to have, so that its guests may grow; there need be no more than these run on."""
REAL_INTERVAL_S = 1.0
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
    alone: bool = False
    """Whether the service changes guests itself, without an actuator."""
    real: int = 0
    """Real guests that it is watched once more beside; a second service samples them once a second."""
    hangs: bool = False
    """Whether it is watched once more with a share of the agents hung."""


COURSES = (
    Course(10, 5.0, 12),
    Course(100, 5.0, 12),
    Course(500, 5.0, 12),
    Course(1000, 5.0, 24, real=6, hangs=True),
    Course(200, 1.0, 60, hangs=True),
    Course(1000, 5.0, 24, alone=True),
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
        at_work = stack.enter_context(
            installed(
                folder,
                folder / "g",
                interval_s=course.interval_s,
                alone=course.alone,
                prefix=_on_a_large_host(folder, say),
            )
        )
        at_work.service.wait_for_tick(timeout_s=60)
        _wait_until_met(at_work.service, course.guests, course.interval_s)
        yield from _watched(f"{name}.alone" if course.alone else name, at_work, guests, course, say)
        if course.real:
            yield from _beside_real_guests(f"{name}.real", at_work, guests, course, say)
        if course.hangs:
            guests.hang(HUNG_RATIO)
            yield from _watched(f"{name}.hung", at_work, guests, course, say)


def _beside_real_guests(
    name: str, at_work: Installed, guests: Crowd, course: Course, say: Say
) -> Iterator[Figure]:
    """The same beside real guests, and how those are sampled meanwhile."""
    image = build_image(say)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vcpu-real-")))
        real = [
            stack.enter_context(QemuGuest.start(GuestSpec(name=f"real-{number}"), image, folder / "g"))
            for number in range(course.real)
        ]
        for guest in real:
            guest.wait_up()
            say(f"{guest.name} is up")
        beside = stack.enter_context(installed(folder, folder / "g", interval_s=REAL_INTERVAL_S)).service
        beside.wait_for_tick(timeout_s=60)
        _wait_until_met(beside, course.real, REAL_INTERVAL_S)
        lateness = own_lateness(beside)
        sampled = stack.enter_context(sampled_ratio(beside, REAL_INTERVAL_S))
        yield from _watched(name, at_work, guests, course, say)
        yield from _told(
            (
                figure(f"{name}.guests.in-time", "% of samples", [100 * sampled()]),
                figure(f"{name}.guests.late", "ms", [1000 * lateness()]),
            ),
            say,
        )


def _wait_until_met(service: RunningService, count: int, interval_s: float) -> None:
    """Wait until the service knows every guest."""
    end_s = time.monotonic() + MEETING_S
    while service.metric('domains{governed="true"}') != count:
        assert time.monotonic() < end_s, (
            f"not all guests were met in {MEETING_S:g} s: {service.log.read_text()[-2000:]}"
        )
        time.sleep(interval_s)


def _watched(name: str, at_work: Installed, guests: Crowd, course: Course, say: Say) -> Iterator[Figure]:
    time.sleep(SETTLING_TICKS * course.interval_s)
    watched = watch(at_work, guests, interval_s=course.interval_s, ticks=course.ticks)
    yield from _told(tuple(_figures(name, watched)), say)


def _figures(name: str, watched: Watched) -> Iterator[Figure]:
    yield figure(f"{name}.in-time", "% of samples", [100 * watched.in_time_ratio])
    for process, cost in watched.costs.items():
        yield figure(f"{name}.{process}.cpu", "% of a core", [100 * cost.cpu_ratio])
        yield figure(f"{name}.{process}.memory", "MiB", [cost.memory_mib])
    yield figure(f"{name}.late", "ms", [1000 * watched.lateness_s])
    yield figure(f"{name}.late-seen", "ms", [1000 * watched.seen_lateness_s])
    yield figure(f"{name}.read", "ms", [1000 * watched.read_within_s])


def _told(found: tuple[Figure, ...], say: Say) -> tuple[Figure, ...]:
    say(", ".join(f"{it.name} {it.values[0]:.1f} {it.unit}" for it in found))
    return found


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
