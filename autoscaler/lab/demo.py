"""The demonstration: the real service over a real guest, from idle through load and back to idle.

It tells its story to a `View` and ends in a `Report`. Invariant: whatever it starts (guest, service, files)
ends with the call, however the call ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.request import ProxyHandler, build_opener

from autoscaler.lab.accel import usable_accel
from autoscaler.lab.errors import LabError
from autoscaler.lab.image import build_image
from autoscaler.lab.qemu_guest import QemuGuest
from autoscaler.lab.spec import GuestSpec
from autoscaler.service.config import (
    Config,
    LibvirtConnection,
    Listen,
    QmpFolderConnection,
)
from autoscaler.service.daemon import Service
from autoscaler.service.journal_reader import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autoscaler.lab.guest import Guest
    from autoscaler.lab.image import Image
    from autoscaler.service.config import Connection
    from autoscaler.service.host import Versions
    from autoscaler.service.snapshot import DomainSnapshot

POLICY = Path(__file__).parents[2] / "policies" / "demo.yaml"
NAME = "demo-1"
MAXIMUM = 4
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


def run_demo(backend: Backend, view: View, *, done: Callable[[Report], None], keep: bool = False) -> Report:
    """Tell the whole story; `done` gets the report before a kept guest goes on.

    Raises:
        AutoscalerError: something is missing or refused, with what to do.
    """
    if (os.cpu_count() or 1) < 2:  # noqa: PLR2004 - the load of the demo and the host's own work
        raise LabError("the demo needs a host with two CPUs or more: with one, a second vCPU helps nobody")
    image = build_image(view.say)
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="vcpu-demo-")))
        cleanup.enter_context(_told(view))
        connection, guest = _boot(backend, image, folder, view, cleanup)
        service = cleanup.enter_context(_service(connection, folder))
        story = _Story(backend, guest, service, view)
        report = story.tell()
        done(report)
        if keep:
            _keep_on(story, view, folder)
        return report


class _Story:
    """Loads the guest and watches what the service makes of it."""

    def __init__(self, backend: Backend, guest: Guest, service: Service, view: View) -> None:
        self._backend = backend
        self._guest = guest
        self._service = service
        self._view = view
        self._started_wall_s = time.time()
        self._plugged_max = self._online_max = 1

    @property
    def metrics_url(self) -> str:
        host, port = self._service.web.address
        return f"http://{host}:{port}/metrics"

    def tell(self) -> Report:
        self._guest.load(CALM_VCPUS)
        self.watch(Phase.CALM, until=lambda domain: domain.load is not None, timeout_s=20)
        self.watch(Phase.CALM, timeout_s=3)
        self._guest.load(HIGH_VCPUS)
        self.watch(Phase.HIGH, until=self._relieved, timeout_s=_GROW_TIMEOUT_S)
        self.watch(Phase.HIGH, timeout_s=_USED_S)
        self._guest.load(CALM_VCPUS)
        self.watch(Phase.DOWN, until=lambda domain: domain.online == 1, timeout_s=_SHRINK_TIMEOUT_S)
        return self._report()

    def watch(
        self,
        phase: Phase,
        *,
        timeout_s: float,
        until: Callable[[DomainSnapshot], bool] = lambda _: False,
    ) -> None:
        """Show the guest until something holds, or for `timeout_s`."""
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            domain = self.domain()
            self._view.show(phase, domain)
            if domain is not None:
                self._plugged_max = max(self._plugged_max, domain.view.plugged)
                self._online_max = max(self._online_max, domain.online)
                if until(domain):
                    return
            time.sleep(_STEP_S)

    def domain(self) -> DomainSnapshot | None:
        """The guest as the service last saw it."""
        return next(iter(self._service.snapshot.domains), None)

    def _relieved(self, domain: DomainSnapshot) -> bool:
        last = domain.last_operation
        return (
            domain.online >= WANTED_ONLINE
            and domain.operation is None
            and last is not None
            and last.relieved_s is not None
        )

    def _report(self) -> Report:
        domain = self.domain()
        if domain is None:
            raise LabError(f"the service does not see the guest {NAME} any more: see its messages above")
        return Report(
            backend=self._backend,
            accel=usable_accel(),
            versions=self._service.versions(domain.view.id),
            moves=self._moves(),
            plugged_max=self._plugged_max,
            online_max=self._online_max,
            online_end=domain.online,
            metrics_url=self.metrics_url,
            metrics_samples=_samples(self.metrics_url),
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


def _boot(
    backend: Backend, image: Image, folder: Path, view: View, cleanup: contextlib.ExitStack
) -> tuple[Connection, Guest]:
    """Boot the guest and say how the service is to reach it."""
    spec = GuestSpec(name=NAME, vcpus=1, maximum=MAXIMUM)
    view.show(Phase.BOOT, None)
    view.say(f"booting the guest {NAME} with 1 of {MAXIMUM} vCPUs ({usable_accel()})")
    connection: Connection
    guest: Guest
    if backend is Backend.QMP:
        root = folder / "guests"
        connection, guest = QmpFolderConnection(root), QemuGuest.start(spec, image, root)
    else:
        # A host that only runs bare QEMU needs no libvirt.
        from autoscaler.lab.embed import embedded_libvirt  # noqa: PLC0415
        from autoscaler.lab.libvirt_guest import LibvirtGuest, connect  # noqa: PLC0415

        uri = cleanup.enter_context(embedded_libvirt(view.say))
        opened = cleanup.enter_context(contextlib.closing(connect(uri)))
        connection, guest = LibvirtConnection(uri), LibvirtGuest.start(spec, image, opened)
    cleanup.enter_context(guest)
    guest.wait_up()
    guest.wait_agent()
    view.say("the guest is up and its agent answers")
    return connection, guest


@contextlib.contextmanager
def _service(connection: Connection, folder: Path) -> Iterator[Service]:
    """Run the service on a thread of its own, with the demo's policy file."""
    if not POLICY.exists():
        raise LabError(f"the demo's policy {POLICY} is missing: run the demo from a checkout of the project")
    service = Service(
        Config(
            connections=(connection,),
            policies=(POLICY,),
            state=folder / "state",
            interval_s=1.0,
            listen=Listen("127.0.0.1", 0),
        )
    )
    thread = threading.Thread(target=service.run, name="controller", daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join(timeout=10)


@contextlib.contextmanager
def _told(view: View) -> Iterator[None]:
    """Show what the service logs."""

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            view.say(record.getMessage())

    logger, told = logging.getLogger("autoscaler"), Told(logging.INFO)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(told)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(told)
        logger.setLevel(level)
        logger.propagate = propagate


def _keep_on(story: _Story, view: View, folder: Path) -> None:
    server = story.metrics_url.removesuffix("/metrics")
    view.say(f"look at it with `autoscaler list --server {server}`")
    load = f"`autoscaler lab load {NAME} {HIGH_VCPUS:g} --folder {folder}/guests`"
    if (folder / "guests").exists():
        view.say(f"load it with {load}")
    while True:
        story.watch(Phase.KEPT, timeout_s=3600)


def _samples(url: str) -> int:
    with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(1 for line in lines if line and not line.startswith("#"))
