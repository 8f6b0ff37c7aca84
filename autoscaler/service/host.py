"""One host connection as the controller uses it: the ports that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.backends.reached import Versions
    from autoscaler.core.model import DomainId
    from autoscaler.ports import GuestCpus, GuestProbe, HostProbe, Hypervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A hypervisor connection and the guests behind it."""

    hypervisor: Hypervisor
    probe: GuestProbe
    cpus: GuestCpus
    machine: HostProbe
    place: str
    """What its CPUs are known by: connections of one place share them."""
    forget: Callable[[DomainId], None]
    """Drop what the guest side remembers of a domain that is gone."""
    versions: Callable[[DomainId], Versions]
    """May ask the host; never the guest."""

    libvirt: bool = False
    """Whether it is reached through libvirt."""

    @property
    def label(self) -> str:
        """The connection's name, as in the configuration."""
        return self.hypervisor.label
