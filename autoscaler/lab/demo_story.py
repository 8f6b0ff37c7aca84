"""The demonstration's story: idle, loaded, idle again, and what the service made of it.

It is told to a `View` while it happens and ends in a `Report`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.request import ProxyHandler, build_opener

from autoscaler.core.binding import sentence_of
from autoscaler.core.demand import STEAL_LIMIT_RATIO
from autoscaler.lab.accel import usable_accel
from autoscaler.lab.errors import LabError
from autoscaler.service.journal_reader import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.backends.reached import Versions
    from autoscaler.lab.guest import Guest
    from autoscaler.service.daemon import Service
    from autoscaler.service.snapshot import DomainSnapshot

NAME = "demo-1"
WANTED_ONLINE = 3
"""vCPUs that the high load needs under the demo's policy."""
CALM_VCPUS = 0.2
HIGH_VCPUS = 1.8
"""Needs three vCPUs at 70 % and leaves a host with two CPUs room to breathe: fuller, the guest's vCPUs would
wait for the host, and growth would rightly be refused."""
_STEP_S = 0.2
_GROW_TIMEOUT_S = 45.0
_SHRINK_TIMEOUT_S = 60.0
_USED_S = 4.0
_GONE_S = 5.0


class Backend(StrEnum):
    """How the demo talks to QEMU."""

    LIBVIRT = "libvirt"
    """Libvirt's QEMU driver inside this process."""
    QMP = "qmp"


class Phase(StrEnum):
    """Where the story is."""

    BOOT = "booting a guest with 1 of 4 vCPUs"
    CALM = "the guest idles"
    HIGH = f"the guest wants {HIGH_VCPUS:g} vCPUs"
    DOWN = "the load is gone"
    KEPT = "kept running until Ctrl-C"


class View(Protocol):
    """Shows the story."""

    def say(self, text: str) -> None:
        """One line of what happens."""
        ...

    def show(self, phase: Phase, domain: DomainSnapshot | None) -> None:
        """The state of things; called a few times a second."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One change of the guest's size."""

    at_s: float
    """Since the service started to watch."""
    from_vcpus: int
    to_vcpus: int
    reason: str
    stages_s: dict[str, float]
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the demonstration saw."""

    backend: Backend
    accel: str
    versions: Versions
    moves: tuple[Move, ...]
    plugged_max: int
    online_max: int
    online_end: int
    metrics_url: str
    metrics_samples: int
    """Series in the last scrape of /metrics."""

    held_back: str | None
    """Why the guest did not have the vCPUs it needed when the load was taken away; None: it had them."""

    @property
    def ok(self) -> bool:
        """Whether the guest got the vCPUs it needed, ran them, and gave them back."""
        grown = [move for move in self.moves if move.to_vcpus > move.from_vcpus]
        return (
            self.online_max >= WANTED_ONLINE
            and self.online_end == 1
            and self.metrics_samples > 0
            and bool(grown)
            and all("online" in move.stages_s for move in grown)
        )


class Story:
    """Loads the guest and watches what the service makes of it."""

    def __init__(self, backend: Backend, guest: Guest, service: Service, view: View) -> None:
        self._backend = backend
        self._guest = guest
        self._service = service
        self._view = view
        self._started_wall_s = time.time()
        self._plugged_max = self._online_max = 1
        self._seen_s: float | None = None
        self._withheld: list[float] = []
        """What the host withheld of the guest's vCPUs while it wanted more of them, look by look."""

    @property
    def metrics_url(self) -> str:
        """Where the service's metrics are."""
        return f"{self._service.web.url}/metrics"

    def tell(self) -> Report:
        """Load the guest, unload it, and report; each step goes on when what it shows has happened.

        Raises:
            LabError: the guest does not take its load, or went away.
        """
        self._guest.load(CALM_VCPUS)
        self.watch(Phase.CALM, until=lambda domain: domain.load is not None, timeout_s=20)
        self.watch(Phase.CALM, timeout_s=3)
        self._guest.load(HIGH_VCPUS)
        self.watch(Phase.HIGH, until=self._relieved, timeout_s=_GROW_TIMEOUT_S)
        self.watch(Phase.HIGH, timeout_s=_USED_S)
        held_back = self._held_back()
        self._guest.load(CALM_VCPUS)
        self.watch(Phase.DOWN, until=lambda domain: domain.online == 1, timeout_s=_SHRINK_TIMEOUT_S)
        return self._report(held_back)

    def watch(
        self,
        phase: Phase,
        *,
        timeout_s: float,
        until: Callable[[DomainSnapshot], bool] = lambda _: False,
    ) -> None:
        """Show the guest until something holds, or for `timeout_s`.

        Raises:
            LabError: the guest went away.
        """
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            domain = self._present()
            self._view.show(phase, domain)
            if domain is not None:
                self._plugged_max = max(self._plugged_max, domain.view.plugged)
                online = domain.online or 0
                self._online_max = max(self._online_max, online)
                if phase is Phase.HIGH and domain.load is not None and online < WANTED_ONLINE:
                    self._withheld.append(domain.load.steal_ratio)
                if until(domain):
                    return
            time.sleep(_STEP_S)

    def _present(self) -> DomainSnapshot | None:
        """The guest; None before it was first seen.

        Raises:
            LabError: it was seen, and has not been for a while.
        """
        domain = self.domain()
        now_s = time.monotonic()
        if domain is not None:
            self._seen_s = now_s
        elif self._seen_s is not None and now_s - self._seen_s > _GONE_S:
            raise _gone()
        return domain

    def domain(self) -> DomainSnapshot | None:
        """The guest as the service last saw it."""
        return next(iter(self._service.snapshot.domains), None)

    def _relieved(self, domain: DomainSnapshot) -> bool:
        last = domain.last_operation
        return (
            (domain.online or 0) >= WANTED_ONLINE
            and domain.operation is None
            and last is not None
            and last.relieved_s is not None
        )

    def _held_back(self) -> str | None:
        domain = self.domain()
        if domain is None or domain.decision is None or (domain.online or 0) >= WANTED_ONLINE:
            return None
        withheld_ratio = fmean(self._withheld or [0.0])
        if withheld_ratio <= STEAL_LIMIT_RATIO:
            return sentence_of(domain.decision)
        return (
            f"this host withheld {withheld_ratio:.0%} of its vCPUs' time from the guest, and then more vCPUs "
            "do not help"
        )

    def _report(self, held_back: str | None) -> Report:
        domain = self.domain()
        if domain is None:
            raise _gone()
        return Report(
            backend=self._backend,
            accel=usable_accel(),
            versions=self._service.versions(domain.view.id),
            moves=self._moves(),
            plugged_max=self._plugged_max,
            online_max=self._online_max,
            online_end=domain.online or 0,
            metrics_url=self.metrics_url,
            metrics_samples=_samples(self.metrics_url),
            held_back=held_back,
        )

    def _moves(self) -> tuple[Move, ...]:
        found = cast("list[dict[str, Any]]", events(self._service.journal_path, limit=1000))
        return tuple(
            Move(
                at_s=event["at_wall_s"] - self._started_wall_s,
                from_vcpus=event["operation"]["from_vcpus"],
                to_vcpus=event["operation"]["to_vcpus"],
                reason=event["reason"],
                stages_s=event["operation"]["stages_s"],
                outcome=event["operation"]["outcome"],
            )
            for event in found
            if event["operation"] is not None
        )


def _gone() -> LabError:
    return LabError(f"the service does not see the guest {NAME} any more: see its messages above")


def _samples(url: str) -> int:
    with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(1 for line in lines if line and not line.startswith("#"))
