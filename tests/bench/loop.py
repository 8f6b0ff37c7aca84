"""How fast the whole loop is on a real guest, and what the service costs its host."""

from __future__ import annotations

import contextlib
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from autoscaler.lab.image import Image, build_image
from autoscaler.lab.qemu_guest import QemuGuest
from autoscaler.lab.spec import GuestSpec
from autoscaler.service.config import Config, Listen, QmpFolderConnection
from autoscaler.service.daemon import Service
from autoscaler.service.journal_reader import events
from autoscaler.service.settings import HostLimits
from tests.bench.figures import Figure, figure
from tests.fakes.footprint import cpu_s, memory_mib
from tests.fakes.quick_policy import QUICK_POLICY
from tests.fakes.running_service import running_service

STEPS = 10
CALM_VCPUS, HIGH_VCPUS, NEEDED = 0.2, 1.8, 3
OVERHEAD_GUESTS = 5
OVERHEAD_RUNS = 6
OVERHEAD_RUN_S = 10.0
NO_BRAKE = HostLimits(overcommit=64.0, delay_below_ratio=1.0, pressure_below_ratio=1.0)
"""Where how long a change takes is what is measured, a brake of the host would count as that."""
_STAGES = ("accepted", "present", "online")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Watched:
    """A service that watches a folder of guests, sampling once a second."""

    service: Service
    guests: Path

    def online(self, name: str) -> int | None:
        """VCPUs that a guest runs, as last sampled with a load; None: not sampled yet."""
        for domain in self.service.snapshot.domains:
            if domain.view.name == name and domain.load is not None:
                return domain.online
        return None

    def wait(self, name: str, until: Callable[[int | None], bool], timeout_s: float) -> None:
        """Wait until the online count is as wanted."""
        end_s = time.monotonic() + timeout_s
        while not until(self.online(name)):
            assert time.monotonic() < end_s, f"{name} did not get there: {self.online(name)} online"
            time.sleep(0.05)

    def growth(self, name: str, since_wall_s: float) -> dict[str, float]:
        """Seconds from `since_wall_s` to each stage of the growth that brought the needed vCPUs online."""
        found = cast("list[dict[str, Any]]", events(self.service.journal_path, domain=name, limit=1000))
        grown = [
            event
            for event in found
            if event["operation"]
            and event["operation"]["direction"] == "up"
            and event["at_wall_s"] > since_wall_s
        ]
        last = next(event for event in grown if event["operation"]["to_vcpus"] >= NEEDED)
        decided_s = last["at_wall_s"] - since_wall_s
        stages = last["operation"]["stages_s"]
        return {"decided": decided_s} | {stage: decided_s + stages[stage] for stage in _STAGES}


def reaction(say: Say) -> list[Figure]:
    """From a load step to the needed vCPUs online, cold: each step on a fresh guest."""
    phase = random.Random(1)
    found: list[dict[str, float]] = []
    image = build_image(say)
    with watched() as at_work:
        for step in range(STEPS):
            name = f"cold-{step}"
            with calm_guest(GuestSpec(name=name), image, at_work.guests) as guest:
                at_work.wait(name, lambda online: online == 1, 30)
                time.sleep(1 + phase.random())
                found.append(load_step(at_work, guest))
            say(f"reaction {step + 1} of {STEPS}: {found[-1]['online']:.2f} s")
    return _figures("reaction", found)


def warm(say: Say) -> list[Figure]:
    """The same on a guest whose vCPUs are plugged already and only have to be brought online."""
    phase = random.Random(2)
    found: list[dict[str, float]] = []
    image = build_image(say)
    with watched() as at_work, calm_guest(GuestSpec(name="warm"), image, at_work.guests) as guest:
        at_work.wait("warm", lambda online: online == 1, 30)
        load_step(at_work, guest)
        for step in range(STEPS):
            guest.load(CALM_VCPUS)
            at_work.wait("warm", lambda online: online == 1, 60)
            time.sleep(1 + phase.random())
            found.append(load_step(at_work, guest))
            say(f"warm {step + 1} of {STEPS}: {found[-1]['online']:.2f} s")
    return _figures("warm", found)


def overhead(say: Say) -> list[Figure]:
    """CPU and memory of the installed command with five guests at one sample a second."""
    image = build_image(say)
    cpu_ratio, rss_mib = [], []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vcpu-bench-")))
        for number in range(OVERHEAD_GUESTS):
            stack.enter_context(calm_guest(GuestSpec(name=f"idle-{number}"), image, folder / "guests"))
            say(f"guest {number + 1} of {OVERHEAD_GUESTS} is up")
        service = stack.enter_context(running_service(folder, f"qmp: {folder}/guests"))
        service.wait_for_tick()
        process = service.process
        time.sleep(5)
        for run in range(OVERHEAD_RUNS):
            before_s, started_s = cpu_s(process.pid), time.monotonic()
            time.sleep(OVERHEAD_RUN_S)
            cpu_ratio.append((cpu_s(process.pid) - before_s) / (time.monotonic() - started_s))
            rss_mib.append(memory_mib(process.pid))
            say(
                f"overhead {run + 1} of {OVERHEAD_RUNS}: {cpu_ratio[-1]:.2%} of a core, {rss_mib[-1]:.0f} MiB"
            )
    return [
        figure("overhead.cpu", "% of a core", [100 * ratio for ratio in cpu_ratio]),
        figure("overhead.memory", "MiB", rss_mib),
    ]


def load_step(watched: Watched, guest: QemuGuest) -> dict[str, float]:
    """Seconds from a load step to each stage of the growth that it leads to."""
    since_wall_s = time.time()
    guest.load(HIGH_VCPUS)
    watched.wait(guest.name, lambda online: online is not None and online >= NEEDED, 60)
    # The operation is written when it ends, that is when its relief has been seen.
    time.sleep(3)
    return watched.growth(guest.name, since_wall_s)


def _figures(name: str, found: list[dict[str, float]]) -> list[Figure]:
    return [figure(f"{name}.{stage}", "s", [run[stage] for run in found]) for stage in ("decided", *_STAGES)]


@contextlib.contextmanager
def watched(limits: HostLimits = HostLimits(overcommit=64.0)) -> Iterator[Watched]:  # noqa: B008 - frozen
    """The service over an empty folder of guests, under the quick policy."""
    with tempfile.TemporaryDirectory(prefix="vcpu-bench-") as name:
        folder = Path(name)
        (folder / "guests").mkdir()
        (folder / "policy.yaml").write_text(QUICK_POLICY)
        service = Service(
            Config(
                connections=(QmpFolderConnection(folder / "guests"),),
                policies=(folder / "policy.yaml",),
                state=folder / "state",
                interval_s=1.0,
                listen=Listen("127.0.0.1", 0),
                host=limits,
            )
        )
        thread = threading.Thread(target=service.run, daemon=True)
        thread.start()
        try:
            yield Watched(service, folder / "guests")
        finally:
            service.stop()
            thread.join(timeout=10)


@contextlib.contextmanager
def calm_guest(spec: GuestSpec, image: Image, folder: Path) -> Iterator[QemuGuest]:
    """A guest of this kind that is up and hardly busy."""
    with QemuGuest.start(spec, image, folder) as guest:
        # The agent serves one client at a time, and that is the service: nobody else asks whether it is up.
        guest.wait_up()
        guest.load(CALM_VCPUS)
        yield guest
