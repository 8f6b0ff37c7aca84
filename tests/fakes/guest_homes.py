"""Where the guests of an end-to-end test live: a folder that is watched by QMP, or a libvirtd of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler.lab.accel import Accel
from autoscaler.lab.guest import Guest
from autoscaler.lab.image import Image
from autoscaler.lab.qemu_guest import QemuGuest
from autoscaler.lab.spec import GuestSpec
from tests.fakes.libvirt_daemon import LibvirtDaemon, libvirt_daemon


class GuestHome(ABC):
    """A place that boots lab guests, and the connection by which the service sees them."""

    connection: str
    """The configuration's entry, as ``qmp: /folder``."""

    @abstractmethod
    def start(self, spec: GuestSpec, *, accel: Accel | None = None) -> Guest:
        """A guest that may still be booting; `accel` None: by what works here."""

    def boot(self, spec: GuestSpec, *, accel: Accel | None = None) -> Guest:
        """A guest that is up; its agent, if it is to have one, may still be starting."""
        guest = self.start(spec, accel=accel)
        guest.wait_up()
        return guest


class QmpHome(GuestHome):
    """A folder of guests."""

    def __init__(self, root: Path, image: Image) -> None:
        self._root = root
        self._image = image
        self.connection = f"qmp: {root}"

    def start(self, spec: GuestSpec, *, accel: Accel | None = None) -> Guest:
        return QemuGuest.start(spec, self._image, self._root, accel=accel)


class LibvirtHome(GuestHome):
    """A libvirtd, seen as ``qemu:///system`` is."""

    def __init__(self, daemon: LibvirtDaemon, image: Image, opened: contextlib.ExitStack) -> None:
        # Imported late: libvirt is optional.
        from autoscaler.lab.libvirt_guest import LibvirtGuest, connect  # noqa: PLC0415

        self.daemon = daemon
        self._image = image
        self._start = LibvirtGuest.start
        self._administrator = opened.enter_context(contextlib.closing(connect(daemon.uri)))
        self.connection = f'libvirt: "{daemon.uri}"'

    def start(self, spec: GuestSpec, *, accel: Accel | None = None) -> Guest:
        guest = self._start(spec, self._image, self._administrator, accel=accel)
        guest.load_socket = self.daemon.outside(guest.load_socket)
        return guest


@contextlib.contextmanager
def guest_home(kind: str, image: Image) -> Iterator[GuestHome]:
    """A home of the kind ``qmp`` or ``libvirt``; every guest of it ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="home-"))
    try:
        with contextlib.ExitStack() as opened:
            if kind == "qmp":
                opened.callback(_end_guests, folder)
                yield QmpHome(folder, image)
            elif os.geteuid() != 0:
                pytest.skip("a private libvirtd needs root")
            else:
                yield LibvirtHome(opened.enter_context(libvirt_daemon(folder)), image, opened)
    finally:
        shutil.rmtree(folder)


def _end_guests(root: Path) -> None:
    for guest in QemuGuest.find_all(root):
        guest.destroy()
