"""Boots guests as transient domains of a libvirt connection, and finds them again.

Invariant: only domains that carry the lab's mark are ever found, and so ever touched.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autoscaler.backends.libvirt.binding import libvirt, libvirt_qemu
from autoscaler.backends.libvirt.loop import ensure_event_loop
from autoscaler.lab import process
from autoscaler.lab.accel import usable_accel
from autoscaler.lab.domain_xml import MARK, channel_path, domain_xml
from autoscaler.lab.errors import LabError
from autoscaler.lab.guest import LOAD_PORT, Guest
from autoscaler.lab.image import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.lab.accel import Accel
    from autoscaler.lab.spec import GuestSpec


def connect(uri: str) -> libvirt.virConnect:
    """Open a connection of the lab's own.

    Raises:
        LabError: the URI is another host's, or libvirt refuses; the text says why.
    """
    if urlsplit(uri).hostname:
        raise LabError(
            f"{uri} is another host, and the lab loads guests over local sockets: run it on that host."
        )
    ensure_event_loop()
    try:
        return libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise LabError(f"libvirt cannot be reached at {uri} ({error}): try virsh -c {uri} list.") from error


class LibvirtGuest(Guest):
    """A transient domain; see `start` and `find`."""

    def __init__(self, domain: libvirt.virDomain) -> None:
        socket = channel_path(domain.XMLDesc(), LOAD_PORT)
        assert socket is not None, "a domain of the lab has a load port"
        super().__init__(name=domain.name(), uuid=domain.UUIDString(), load_socket=Path(socket))
        self.domain = domain

    @classmethod
    def start(
        cls, spec: GuestSpec, image: Image, connection: libvirt.virConnect, *, accel: Accel | None = None
    ) -> LibvirtGuest:
        """Boot `spec`; returns when the domain runs, before the guest is up.

        Raises:
            LabError: there is such a domain already, or libvirt does not start it.
        """
        with _explained(f"start the guest {spec.name}"), _readable(image, connection) as readable:
            domain = connection.createXML(domain_xml(spec, readable, accel or usable_accel()))
            return cls(domain)

    @classmethod
    def find(cls, connection: libvirt.virConnect, name: str) -> LibvirtGuest | None:
        """Return the running guest of that name, or None.

        Raises:
            LabError: libvirt does not say, or a domain of that name is not the lab's.
        """
        with _explained("list its domains"):
            for domain in _active(connection):
                with _unless_gone():
                    if domain.name() != name:
                        continue
                    if not _is_marked(domain):
                        raise LabError(
                            f"The domain {name} was not made by the lab and is left alone: "
                            "choose another name."
                        )
                    return cls(domain)
        return None

    @classmethod
    def find_all(cls, connection: libvirt.virConnect) -> list[LibvirtGuest]:
        """Return the running guests of the lab by name.

        Raises:
            LabError: libvirt does not say.
        """
        guests: list[LibvirtGuest] = []
        with _explained("list its domains"):
            for domain in _active(connection):
                with _unless_gone():
                    if _is_marked(domain):
                        guests.append(cls(domain))
        return sorted(guests, key=lambda guest: guest.name)

    def vcpus(self) -> tuple[int, int]:
        """Return how many vCPUs are plugged, and the maximum.

        Raises:
            LabError: the domain is gone, or libvirt does not say.
        """
        with _explained(f"count the vCPUs of {self.name}"):
            live = libvirt.VIR_DOMAIN_AFFECT_LIVE
            return self.domain.vcpusFlags(live), self.domain.vcpusFlags(
                live | libvirt.VIR_DOMAIN_VCPU_MAXIMUM
            )

    def reboot(self) -> None:
        """Reset the guest as the reset button would; it boots again, with the vCPUs it has.

        Raises:
            LabError: the domain is gone.
        """
        with _explained(f"reset the guest {self.name}"):
            self.domain.reset()

    def kill(self) -> None:
        """End the guest's QEMU process with SIGKILL, as a crash would; libvirt notices by itself."""
        process.kill_by_uuid(self.uuid)

    def destroy(self) -> None:
        """End the guest if it runs; its domain is transient and goes with it."""
        with _explained(f"end the guest {self.name}"), _unless_gone():
            self.domain.destroy()

    def _agent_answers(self, timeout_s: float) -> bool:
        try:
            libvirt_qemu.qemuAgentCommand(
                self.domain, '{"execute": "guest-ping"}', max(1, round(timeout_s)), 0
            )
        except libvirt.libvirtError:
            return False
        return True


def _active(connection: libvirt.virConnect) -> list[libvirt.virDomain]:
    return list(connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE))


def _is_marked(domain: libvirt.virDomain) -> bool:
    try:
        domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, MARK)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
            return False
        raise
    return True


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    """Any domain may end between being listed and being asked."""
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
            raise


@contextlib.contextmanager
def _readable(image: Image, connection: libvirt.virConnect) -> Iterator[Image]:
    """Yield the image where the QEMU of that connection can read it.

    A system daemon runs QEMU as a user that cannot enter the cache in a home folder. QEMU holds what it
    booted from, also over a reset, so that the copy can go once the domain runs.
    """
    if urlsplit(connection.getURI()).path != "/system":
        yield image
        return
    with tempfile.TemporaryDirectory(prefix="vcpu-lab-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file in (image.kernel, image.initrd):
            shutil.copyfile(file, folder / file.name)
            (folder / file.name).chmod(0o644)
        yield Image(kernel=folder / image.kernel.name, initrd=folder / image.initrd.name)


@contextlib.contextmanager
def _explained(doing: str) -> Iterator[None]:
    try:
        yield
    except libvirt.libvirtError as error:
        raise LabError(f"libvirt could not {doing}: {error}.") from error
