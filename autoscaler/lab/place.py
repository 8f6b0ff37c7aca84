"""Where the lab's guests run: under bare QEMU in a folder, or as domains of a libvirt connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from autoscaler.lab.qemu_guest import QemuGuest, lab_folder
from autoscaler.lab.spec import check_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from autoscaler.lab.guest import Guest
    from autoscaler.lab.image import Image
    from autoscaler.lab.spec import GuestSpec


class Place(Protocol):
    """Starts guests and finds them again; every method may raise LabError."""

    def start(self, spec: GuestSpec, image: Image) -> Guest:
        """Boot a guest that outlives this process."""

    def find(self, name: str) -> Guest | None:
        """Return the running guest of that name, or None."""

    def find_all(self) -> Sequence[Guest]:
        """Return the running guests by name."""

    def tidy(self) -> None:
        """Remove what guests that crashed have left behind."""

    def describe(self, guest: Guest) -> dict[str, str]:
        """Say how to reach a guest of this place: what to its address."""


class BareQemu:
    """A folder of guests under bare QEMU; without `root`, the user's own."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = (root or lab_folder()).absolute()

    def start(self, spec: GuestSpec, image: Image) -> QemuGuest:
        """Boot a guest that outlives this process."""
        return QemuGuest.start(spec, image, self._root)

    def find(self, name: str) -> QemuGuest | None:
        """Return the running guest of that name, or None."""
        return QemuGuest.find(self._root, name)

    def find_all(self) -> list[QemuGuest]:
        """Return the running guests by name."""
        return QemuGuest.find_all(self._root)

    def tidy(self) -> None:
        """Remove the folders of guests that no longer run."""
        QemuGuest.tidy(self._root)

    def describe(self, guest: Guest) -> dict[str, str]:
        """Name the sockets of a guest of this folder."""
        folder = self._root / guest.name
        return {"qmp": str(folder / "qmp.sock"), "agent": str(folder / "agent.sock")}


class LibvirtConnection:
    """The marked domains of one libvirt connection."""

    def __init__(self, uri: str) -> None:
        # A host that only runs bare QEMU needs no libvirt.
        from autoscaler.lab.libvirt_guest import LibvirtGuest, connect  # noqa: PLC0415

        self._guests = LibvirtGuest
        self._connection = connect(uri)
        self._uri = uri

    def start(self, spec: GuestSpec, image: Image) -> Guest:
        """Boot a guest that outlives this process."""
        return self._guests.start(spec, image, self._connection)

    def find(self, name: str) -> Guest | None:
        """Return the running guest of that name, or None."""
        return self._guests.find(self._connection, check_name(name))

    def find_all(self) -> Sequence[Guest]:
        """Return the running guests by name."""
        return self._guests.find_all(self._connection)

    def tidy(self) -> None:
        """Do nothing: a transient domain leaves nothing."""

    def describe(self, guest: Guest) -> dict[str, str]:
        """Name the connection and how to look at the guest by virsh."""
        return {"connection": self._uri, "console": f"virsh -c {self._uri} console {guest.name}"}
