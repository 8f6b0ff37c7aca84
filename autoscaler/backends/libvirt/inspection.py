"""What libvirt says of a host and of its domains' definitions, for whoever examines them.

Invariant: nothing is changed. All is read over a read-only connection; that one which could change a domain
can be opened is tried, and it is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from xml.etree import ElementTree as ET

from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.backends.libvirt.errors import host_failed, sweep_failed
from autoscaler.backends.libvirt.late import LateCalls
from autoscaler.backends.libvirt.link import LibvirtLink
from autoscaler.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.ports import Clock

_T = TypeVar("_T")

_PATIENCE_S = 10.0
_LISTING_S = 60.0
"""For thousands of domains, at about a millisecond each."""
_PROBING_S = 90.0
"""libvirt may look at QEMU anew before it tells its version: a minute where /dev/kvm opens in vain."""
_QEMU = "QEMU"
_CPUS = 2
"""Where `virNodeInfo` holds the active CPUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibvirtHost:
    """One host, as its libvirt tells it."""

    libvirt: tuple[int, int, int]
    """Version of the daemon, or of the library where there is none."""
    qemu: tuple[int, int, int] | None
    """Version of the QEMU that a domain started now would get; None: another kind of hypervisor."""
    cpus: int
    """Online logical CPUs."""
    nodes: tuple[frozenset[int], ...]
    """The CPUs of each NUMA node; empty: not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibvirtDomain:
    """One domain, as it is described."""

    uuid: str
    name: str
    active: bool
    description: str
    """XML of the running domain, or of the definition where it does not run."""
    definition: str | None
    """XML that it starts from next time; None: it is transient."""


class LibvirtInspector:
    """Looks at one connection."""

    def __init__(self, uri: str, *, clock: Clock) -> None:
        """Remember how to connect; nothing is opened yet."""
        self._uri = uri
        self._reader = LibvirtLink(uri, clock=clock, read_only=True)
        self._writer = LibvirtLink(uri, clock=clock)
        self._late = LateCalls(4)

    def host(self) -> LibvirtHost:
        """Look at the host.

        Raises:
            BackendUnavailable: the connection is down, or does not answer in time.
        """
        try:
            return self._within(_PROBING_S, self._host)
        except libvirt.libvirtError as error:
            raise host_failed(error, self._uri) from error

    def domains(self) -> Sequence[LibvirtDomain]:
        """Describe every domain, running or not; one that goes away meanwhile is left out.

        Raises:
            BackendUnavailable: the connection is down, or does not answer in time.
        """
        try:
            return self._within(_LISTING_S, self._domains)
        except libvirt.libvirtError as error:
            raise sweep_failed(error, self._uri) from error

    def refusal(self) -> str:
        """Why this user may not change domains, in a sentence; empty: a connection for it can be opened."""
        try:
            self._within(_PATIENCE_S, self._writer.connection)
        except BackendUnavailable as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Let go of the connections."""
        self._reader.close()
        self._writer.close()

    def _within(self, patience_s: float, call: Callable[[], _T]) -> _T:
        try:
            return self._late.run(call, patience_s=patience_s)
        except TimeoutError:
            raise self._reader.stuck() from None

    def _host(self) -> LibvirtHost:
        connection = self._reader.connection()
        is_qemu = connection.getType() == _QEMU
        return LibvirtHost(
            libvirt=_version(connection.getLibVersion()),
            qemu=_version(connection.getVersion()) if is_qemu else None,
            cpus=int(connection.getInfo()[_CPUS]),
            nodes=nodes_in(connection.getCapabilities()),
        )

    def _domains(self) -> list[LibvirtDomain]:
        found = []
        for domain in self._reader.connection().listAllDomains():
            try:
                active = bool(domain.isActive())
                described = domain.XMLDesc(0)
                stored = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) if domain.isPersistent() else None
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                    continue
                raise
            found.append(
                LibvirtDomain(
                    uuid=domain.UUIDString(),
                    name=domain.name(),
                    active=active,
                    description=described,
                    definition=stored,
                )
            )
        return sorted(found, key=lambda domain: domain.name)


def nodes_in(capabilities: str) -> tuple[frozenset[int], ...]:
    """The CPUs of each NUMA node of a host, by its capabilities."""
    root = ET.fromstring(capabilities)  # noqa: S314 - written by libvirt
    cells = root.iterfind("host/topology/cells/cell")
    return tuple(frozenset(int(cpu.get("id", "0")) for cpu in cell.iterfind("cpus/cpu")) for cell in cells)


def _version(number: int) -> tuple[int, int, int]:
    return number // 1_000_000, number // 1_000 % 1_000, number % 1_000
