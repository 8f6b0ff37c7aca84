"""Real guests under real QEMU, booted by the lab; here those whose QEMU is spoken to by QMP."""

from __future__ import annotations

import os
import shutil
import tempfile
from abc import abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.lab import monitor, process
from autoscaler.lab.qemu_guest import QemuGuest
from autoscaler.lab.spec import GuestSpec
from autoscaler.service.config import QmpFolderConnection
from tests.contract.backend import (
    BOOT_PLUGGED,
    MAXIMUM,
    ConnectedBackend,
    Domain,
    Guest,
    Inhabited,
    NotHere,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager, ExitStack

    from autoscaler.lab.guest import Guest as LabGuest
    from autoscaler.lab.image import Image
    from autoscaler.service.config import Connection
    from tests.contract.abilities import Abilities


class LabBackend(ConnectedBackend):
    """Guests of the lab behind one connection of the service's configuration."""

    def __init__(self, abilities: Abilities, connection: Connection, image: Image) -> None:
        super().__init__(abilities, connection)
        self._image = image

    @contextmanager
    def started(self, name: str) -> Iterator[Domain]:
        with self._start(_spec(name)) as (domain, _):
            yield domain

    @contextmanager
    def booted(self, name: str) -> Iterator[Inhabited]:
        with self._start(_spec(name)) as (domain, guest):
            guest.wait_up()
            guest.wait_agent()
            yield Inhabited(domain, _LabGuest(guest))

    @abstractmethod
    def _start(self, spec: GuestSpec) -> AbstractContextManager[tuple[Domain, LabGuest]]:
        """Start a guest, and end it with the block."""


class QemuQmpBackend(LabBackend):
    """QEMU processes in a folder of guests."""

    def __init__(self, abilities: Abilities, image: Image, opened: ExitStack) -> None:
        require_qemu()
        self._root = opened.enter_context(short_folder())
        super().__init__(abilities, QmpFolderConnection(self._root), image)

    @contextmanager
    def _start(self, spec: GuestSpec) -> Iterator[tuple[Domain, LabGuest]]:
        with QemuGuest.start(spec, self._image, self._root) as guest:
            yield _QemuDomain(guest), guest


class _QemuDomain(Domain):
    def __init__(self, guest: QemuGuest) -> None:
        super().__init__(name=guest.name, uuid=guest.uuid)
        self._guest = guest

    def vcpus(self) -> tuple[int, int]:
        return self._guest.vcpus()

    def is_running(self) -> bool:
        return self._guest.pid is not None

    def is_emulated(self) -> bool:
        return does_without_kvm(self.uuid)

    def pause(self) -> None:
        monitor.execute(self._guest.files.lab_monitor, "stop")

    def resume(self) -> None:
        monitor.execute(self._guest.files.lab_monitor, "cont")

    def kill(self) -> None:
        self._guest.kill()


class _LabGuest(Guest):
    def __init__(self, guest: LabGuest) -> None:
        self._guest = guest

    def load(self, vcpus: float) -> None:
        self._guest.load(vcpus)

    def hang_agent(self) -> None:
        self._guest.command("agent hang")

    def end_agent(self) -> None:
        self._guest.command("agent stop")

    def start_agent(self) -> None:
        self._guest.command("agent start")


def require_qemu() -> None:
    """Say so where there is no QEMU.

    Raises:
        NotHere: there is none.
    """
    if shutil.which("qemu-system-x86_64") is None:
        raise NotHere("QEMU is not installed: apt install qemu-system-x86")


def does_without_kvm(uuid: str) -> bool:
    """Whether the QEMU that was given this UUID maps no vCPU of KVM."""
    mark = b"\0-uuid\0" + uuid.encode() + b"\0"
    (qemu,) = (
        folder
        for folder in Path("/proc").glob("[0-9]*")
        if process.is_running(int(folder.name), mark) and int(folder.name) != os.getpid()
    )
    return "anon_inode:kvm-vcpu" not in (qemu / "maps").read_text()


def _spec(name: str) -> GuestSpec:
    return GuestSpec(name=name, vcpus=BOOT_PLUGGED, maximum=MAXIMUM)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ct-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
