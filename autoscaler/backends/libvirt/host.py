"""The host at the other end of a libvirt connection: its CPUs, for of its pressure libvirt says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.backends.libvirt.errors import host_failed
from autoscaler.backends.libvirt.link import LibvirtLink
from autoscaler.core.model import HostView

if TYPE_CHECKING:
    from autoscaler.ports import Clock

_CPUS = 2
"""Where `virNodeInfo` holds the active CPUs."""


class LibvirtHostProbe:
    """A `HostProbe` over libvirt, with a read-only connection of its own."""

    def __init__(self, uri: str, *, clock: Clock) -> None:
        """Remember how to connect; nothing is opened yet.

        Args:
            uri: any that libvirt takes.
            clock: stamps what is read and times the back-off.
        """
        self._uri = uri
        self._clock = clock
        self._link = LibvirtLink(uri, clock=clock, read_only=True)

    def view(self) -> HostView:
        """Ask now.

        Raises:
            BackendUnavailable: the connection is down; it is tried anew at a later call, within 1 s.
        """
        connection = self._link.connection()
        try:
            cpus = int(connection.getInfo()[_CPUS])
        except libvirt.libvirtError as error:
            raise host_failed(error, self._uri) from error
        return HostView(at_s=self._clock.monotonic_s(), cpus=cpus)

    def close(self) -> None:
        """Let go of the connection."""
        self._link.close()
