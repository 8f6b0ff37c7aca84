"""A host connection with the way to its guests' agents: which backends belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.backends.agent.channel import SocketAgentChannel
from autoscaler.backends.agent.guest_agent import GuestAgent
from autoscaler.backends.agent.measured import MeasuredChannel
from autoscaler.backends.connection import LibvirtConnection, QmpFolderConnection
from autoscaler.backends.qmp.guests import GuestFolder, GuestList

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import ExitStack

    from autoscaler.backends.connection import Connection
    from autoscaler.backends.libvirt.agent import LibvirtAgentChannel
    from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor
    from autoscaler.backends.qmp.guests import GuestSource
    from autoscaler.backends.qmp.hypervisor import QmpHypervisor
    from autoscaler.core.acpi import SlotReports
    from autoscaler.core.model import DomainId
    from autoscaler.ports import AgentChannel, Clock, Hypervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What a domain runs on; None: not known, or not part of the way to it."""

    qemu: str | None
    libvirt: str | None
    agent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """One connection and the agents behind it."""

    hypervisor: Hypervisor
    agent: GuestAgent
    forget: Callable[[DomainId], None]
    """Drop what the guest side remembers of a domain that is gone."""
    versions: Callable[[DomainId], Versions]
    """May ask the host; never the guest."""
    reports: Callable[[], Mapping[str, SlotReports]]
    """By UUID, what guests' firmware reported, where that is heard apart from the domains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaching:
    """How connections are made."""

    clock: Clock
    agent_timeout_s: float
    """Longest that one command to a guest agent may take."""
    asked: Callable[[str, float], None]
    """Told of each command that an agent was asked, with the seconds that it took."""
    opened: ExitStack
    """Takes what is to be closed later."""

    def to(self, connection: Connection) -> Reached:
        """Make a connection; nothing is asked yet.

        Raises:
            BackendUnavailable: it is to libvirt, whose binding for Python is not installed.
        """
        if isinstance(connection, LibvirtConnection):
            return self._over_libvirt(connection)
        if isinstance(connection, QmpFolderConnection):
            return self._over_qmp(connection.label, GuestFolder(connection.folder))
        return self._over_qmp(connection.label, GuestList(connection.guests))

    def _over_qmp(self, label: str, guests: GuestSource) -> Reached:
        # Imported late, as what libvirt needs is: neither backend is loaded for the other's sake.
        from autoscaler.backends.qmp.hypervisor import QmpHypervisor  # noqa: PLC0415

        hypervisor = QmpHypervisor(label=label, guests=guests, clock=self.clock)
        self.opened.callback(hypervisor.close)
        channel = SocketAgentChannel(hypervisor.agent_address, name_of=hypervisor.name_of)
        self.opened.callback(channel.close)

        def versions_of(domain: DomainId, agent: GuestAgent) -> Versions:
            return Versions(
                qemu=hypervisor.qemu_version(domain), libvirt=None, agent=agent.agent_version(domain)
            )

        return self._reached(hypervisor, channel, versions_of, dict)

    def _over_libvirt(self, connection: LibvirtConnection) -> Reached:
        # Imported late: a host that only runs bare QEMU needs no libvirt.
        from autoscaler.backends.libvirt.agent import LibvirtAgentChannel  # noqa: PLC0415
        from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor  # noqa: PLC0415

        hypervisor = LibvirtHypervisor(connection.uri, clock=self.clock, adopt=connection.adopt)
        self.opened.callback(hypervisor.close)
        channel = LibvirtAgentChannel(connection.uri, clock=self.clock)
        self.opened.callback(channel.close)

        def versions_of(domain: DomainId, agent: GuestAgent) -> Versions:
            library, qemu = hypervisor.versions()
            return Versions(qemu=qemu, libvirt=library, agent=agent.agent_version(domain))

        return self._reached(hypervisor, channel, versions_of, hypervisor.reports)

    def _reached(
        self,
        hypervisor: QmpHypervisor | LibvirtHypervisor,
        channel: SocketAgentChannel | LibvirtAgentChannel,
        versions_of: Callable[[DomainId, GuestAgent], Versions],
        reports: Callable[[], Mapping[str, SlotReports]],
    ) -> Reached:
        agent = self._agent(channel)
        hypervisor.subscribe(agent.heard)

        def forget(domain: DomainId) -> None:
            channel.forget(domain)
            agent.forget(domain)

        return Reached(
            hypervisor=hypervisor,
            agent=agent,
            forget=forget,
            versions=lambda domain: versions_of(domain, agent),
            reports=reports,
        )

    def _agent(self, channel: AgentChannel) -> GuestAgent:
        measured = MeasuredChannel(channel, lambda command, seconds, _error: self.asked(command, seconds))
        agent = GuestAgent(measured, clock=self.clock, timeout_s=self.agent_timeout_s)
        self.opened.callback(agent.close)
        return agent
