"""How long changes of real guests take from the request: a replay lets them take as long by default.

A guest is ordered up one vCPU after the other to its maximum (each has to be plugged first), down to one, and
up again (each is plugged still). The times are the service's own record of these changes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from autoscaler.lab.image import build_image
from autoscaler.lab.spec import GuestSpec
from autoscaler.service.control_client import ask_control
from autoscaler.service.journal_reader import events
from tests.bench.figures import Figure, figure
from tests.bench.loop import NO_BRAKE, Watched, calm_guest, watched

GUESTS = 10
MAXIMUM = 4
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
    return [figure(f"lag.{kind}", "s", taken_s) for kind, taken_s in found.items()]


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
