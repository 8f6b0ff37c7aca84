"""Real guests under real QEMU that libvirt runs: inside this process, or in a libvirtd of the suite's own."""

from __future__ import annotations

import contextlib
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autoscaler.lab.libvirt_guest import LibvirtGuest, connect
from autoscaler.service.config import LibvirtConnection
from tests.contract.backend import Domain, NotHere
from tests.contract.lab_guests import LabBackend, does_without_kvm, require_qemu, short_folder
from tests.contract.libvirt_test_driver import LibvirtDomain
from tests.fakes.libvirt_daemon import LibvirtDaemon, libvirt_daemon

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from autoscaler.lab.guest import Guest as LabGuest
    from autoscaler.lab.image import Image
    from autoscaler.lab.spec import GuestSpec
    from tests.contract.abilities import Abilities


class QemuLibvirtBackend(LabBackend):
    """QEMU under libvirt."""

    def __init__(self, abilities: Abilities, uri: str, image: Image, opened: ExitStack) -> None:
        super().__init__(abilities, LibvirtConnection(uri), image)
        self._administrator = opened.enter_context(contextlib.closing(connect(uri)))

    @contextmanager
    def _start(self, spec: GuestSpec) -> Iterator[tuple[Domain, LabGuest]]:
        with LibvirtGuest.start(spec, self._image, self._administrator) as guest:
            self._reach(guest)
            yield _QemuDomain(guest), guest

    def _reach(self, guest: LibvirtGuest) -> None:
        """Make the guest's load port reachable from here."""


class QemuLibvirtdBackend(QemuLibvirtBackend):
    """QEMU under a libvirtd of the suite's own, as ``qemu:///system`` is."""

    def __init__(self, abilities: Abilities, image: Image, opened: ExitStack) -> None:
        require_qemu()
        if os.geteuid() != 0:
            raise NotHere("a libvirtd of its own needs root")
        if shutil.which("libvirtd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
            raise NotHere("libvirtd is not installed: apt install libvirt-daemon libvirt-daemon-driver-qemu")
        folder = opened.enter_context(short_folder())
        self._daemon: LibvirtDaemon = opened.enter_context(libvirt_daemon(folder))
        super().__init__(abilities, self._daemon.uri, image, opened)

    def _reach(self, guest: LibvirtGuest) -> None:
        guest.load_socket = self._daemon.outside(guest.load_socket)


class _QemuDomain(LibvirtDomain):
    def __init__(self, guest: LibvirtGuest) -> None:
        super().__init__(guest.domain)
        self._guest = guest

    def is_emulated(self) -> bool:
        return does_without_kvm(self.uuid)

    def kill(self) -> None:
        self._guest.kill()
