"""How long changes of real guests take from the request: a replay lets them take as long by default.

A guest is ordered up one vCPU after the other to its maximum (each has to be plugged first), down to one, and
up again (each is plugged still). The times are the service's own record of these changes.

How long many vCPUs take in one call of the agent is timed apart, on a guest that no service watches.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from autoscaler.backends.reached import Reaching
from autoscaler.lab.image import Image, build_image
from autoscaler.lab.qemu_guest import QemuGuest
from autoscaler.lab.spec import GuestSpec
from autoscaler.service.clock import SystemClock
from autoscaler.service.config import QmpFolderConnection
from autoscaler.service.control_client import ask_control
from autoscaler.service.journal_reader import events
from tests.bench.figures import Figure, figure
from tests.bench.loop import NO_BRAKE, Watched, calm_guest, watched

GUESTS = 10
MAXIMUM = 4
TOGETHER, TURNS = 8, 6
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_MOST_EVENTS = 100_000


def lag(say: Callable[[str], None]) -> list[Figure]:
    """Times of growths by plugging, of growths of vCPUs plugged still, of shrinks; says their quantiles."""
    image = build_image(say)
    found: dict[str, list[float]] = {"plugged": [], "warm": [], "offline": []}
    with watched(NO_BRAKE) as service:
        for number in range(GUESTS):
            spec = GuestSpec(name=f"lag-{number}", maximum=MAXIMUM)
            with calm_guest(spec, image, service.guests) as guest:
                service.wait(guest.name, lambda online: online == 1, 30)
                for vcpus in (*range(2, MAXIMUM + 1), 1, *range(2, MAXIMUM + 1)):
                    _order(service, guest.name, vcpus)
                # The last operation is written when its relief has been seen.
                time.sleep(3)
            _sort(service, guest.name, found)
            say(f"lag: guest {number + 1} of {GUESTS}")
    for kind, taken_s in found.items():
        say(f"lag.{kind}: " + ", ".join(f"{value:.3f}" for value in quantiles_s(taken_s)))
    found |= _together(image)
    return [figure(f"lag.{kind}", "s", taken_s) for kind, taken_s in found.items()]


def _together(image: Image) -> dict[str, list[float]]:
    """Times of calls that take one vCPU of a guest offline or online, and of calls for all but one."""
    found: dict[str, list[float]] = {}
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="vcpu-bench-")))
        spec = GuestSpec(name="together", vcpus=TOGETHER, maximum=TOGETHER)
        guest = opened.enter_context(QemuGuest.start(spec, image, folder))
        guest.wait_up()
        guest.wait_agent()
        reaching = Reaching(
            clock=SystemClock(), agent_timeout_s=60.0, asked=lambda _, __: None, opened=opened
        )
        reached = reaching.to(QmpFolderConnection(folder))
        (domain,) = (view.id for view in reached.hypervisor.domains())
        reached.agent.set_online(domain, target=TOGETHER)
        for fewer in (1, TOGETHER - 1) * TURNS:
            for direction, target in (("offline", TOGETHER - fewer), ("online", TOGETHER)):
                began_s = time.monotonic()
                assert reached.agent.set_online(domain, target=target).online == target
                found.setdefault(f"{direction}.{fewer}", []).append(time.monotonic() - began_s)
    return found


def quantiles_s(taken_s: Sequence[float]) -> list[float]:
    """The times at `QUANTILES`."""
    percentiles = statistics.quantiles(taken_s, n=100, method="inclusive")
    return [percentiles[round(100 * quantile) - 1] for quantile in QUANTILES]


def _order(service: Watched, name: str, vcpus: int) -> None:
    ask_control(service.service.config.control_socket, "set", domain=name, vcpus=vcpus, for_s=3600.0)
    service.wait(name, lambda online: online == vcpus, 120)


def _sort(service: Watched, name: str, found: dict[str, list[float]]) -> None:
    """Add the time of each change of a guest to its kind's."""
    rows = cast("list[dict[str, Any]]", events(service.service.journal_path, domain=name, limit=_MOST_EVENTS))
    for row in rows:
        operation = row["operation"]
        if not operation or "online" not in operation["stages_s"]:
            continue
        grows = "plugged" if row["plugged"] < operation["to_vcpus"] else "warm"
        found[grows if operation["direction"] == "up" else "offline"].append(operation["stages_s"]["online"])
