"""The demonstration: the real service over a real guest, started, told and ended in one call.

Invariant: whatever it starts (guest, service, files) ends with the call, however the call ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.lab.accel import usable_accel
from autoscaler.lab.afterwards import cleaned_up_after
from autoscaler.lab.demo_story import HIGH_VCPUS, NAME, Backend, Phase, Report, Story, View
from autoscaler.lab.errors import LabError, NotPossibleHere
from autoscaler.lab.image import build_image
from autoscaler.lab.qemu_guest import QemuGuest
from autoscaler.lab.spec import GuestSpec
from autoscaler.service.config import Config, LibvirtConnection, Listen, QmpFolderConnection
from autoscaler.service.daemon import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autoscaler.lab.guest import Guest
    from autoscaler.lab.image import Image
    from autoscaler.service.config import Connection

POLICY = Path(__file__).parents[2] / "policies" / "demo.yaml"
MAXIMUM = 4


def run_demo(backend: Backend, view: View, *, done: Callable[[Report], None], keep: bool = False) -> Report:
    """Tell the whole story; `done` gets the report before a kept guest goes on.

    Raises:
        NotPossibleHere: this host lacks something, and nothing was done.
        AutoscalerError: something went wrong or was refused, with what to do.
    """
    if (os.cpu_count() or 1) < 2:  # noqa: PLR2004 - the load of the demo and the host's own work
        raise NotPossibleHere("the demo needs a host with two CPUs: with one, a second vCPU helps nobody")
    try:
        image = build_image(view.say)
    except LabError as error:
        raise NotPossibleHere(str(error)) from error
    with contextlib.ExitStack() as cleanup:
        folder = cleanup.enter_context(_folder())
        cleanup.enter_context(_told(view))
        connection, guest = _boot(backend, image, folder, view, cleanup)
        service = cleanup.enter_context(_service(connection, folder))
        story = Story(backend, guest, service, view)
        report = story.tell()
        done(report)
        if keep:
            _keep_on(story, view, folder)
        return report


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder of the demo's own, for guests, policy and journal."""
    folder = Path(tempfile.mkdtemp(prefix="vcpu-demo-"))
    with cleaned_up_after(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


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

        uri = cleanup.enter_context(embedded_libvirt(view.say))
        # Only now: libvirt reads where it is to log when it is first imported.
        from autoscaler.lab.libvirt_guest import LibvirtGuest, connect  # noqa: PLC0415

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


def _keep_on(story: Story, view: View, folder: Path) -> None:
    server = story.metrics_url.removesuffix("/metrics")
    view.say(f"look at it with `{sys.argv[0]} list --server {server}`")
    load = f"`{sys.argv[0]} lab load {NAME} {HIGH_VCPUS:g} --folder {folder}/guests`"
    if (folder / "guests").exists():
        view.say(f"load it with {load}")
    while True:
        story.watch(Phase.KEPT, timeout_s=3600)
