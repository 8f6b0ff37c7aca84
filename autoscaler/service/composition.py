"""From a configured connection to the backends behind it: the one place that knows which class does what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.backends.agent.channel import SocketAgentChannel
from autoscaler.backends.agent.guest_agent import GuestAgent
from autoscaler.backends.agent.measured import MeasuredChannel
from autoscaler.backends.host import LocalHostProbe, is_local
from autoscaler.backends.qmp.guests import GuestFolder, GuestList
from autoscaler.backends.qmp.hypervisor import QmpHypervisor
from autoscaler.service.config import LibvirtConnection, QmpFolderConnection
from autoscaler.service.host import Host, Versions

if TYPE_CHECKING:
    from contextlib import ExitStack

    from autoscaler.core.model import DomainId
    from autoscaler.ports import AgentChannel, Clock, HostProbe
    from autoscaler.service.closing import HostClosing
    from autoscaler.service.config import Config, Connection, QmpListConnection
    from autoscaler.service.instruments import Instruments

_HERE = "this host"
"""The place of every connection whose guests run beside this service."""


def connect(config: Config, clock: Clock, instruments: Instruments, opened: HostClosing) -> tuple[Host, ...]:
    """Make a host of every connection; what is to be closed later goes to `opened`.

    Raises:
        AutoscalerError: a connection needs something that is not installed.
    """
    return tuple(
        _Composer(config.agent_timeout_s, clock, instruments, opened.of(connection.label)).host(connection)
        for connection in config.connections
    )


class _Composer:
    def __init__(
        self, agent_timeout_s: float, clock: Clock, instruments: Instruments, opened: ExitStack
    ) -> None:
        self._agent_timeout_s = agent_timeout_s
        self._clock = clock
        self._instruments = instruments
        self._opened = opened

    def host(self, connection: Connection) -> Host:
        if isinstance(connection, LibvirtConnection):
            return self._libvirt(connection)
        return self._qmp(connection)

    def _qmp(self, connection: QmpFolderConnection | QmpListConnection) -> Host:
        source = (
            GuestFolder(connection.folder)
            if isinstance(connection, QmpFolderConnection)
            else GuestList(connection.guests)
        )
        hypervisor = QmpHypervisor(label=connection.label, guests=source, clock=self._clock)
        self._opened.callback(hypervisor.close)
        channel = SocketAgentChannel(hypervisor.agent_address, name_of=hypervisor.name_of)
        self._opened.callback(channel.close)
        agent = self._agent(channel)
        hypervisor.subscribe(agent.heard)

        def forget(domain: DomainId) -> None:
            channel.forget(domain)
            agent.forget(domain)

        def versions(domain: DomainId) -> Versions:
            return Versions(
                qemu=hypervisor.qemu_version(domain), libvirt=None, agent=agent.agent_version(domain)
            )

        return Host(
            hypervisor=hypervisor,
            probe=agent,
            cpus=agent,
            machine=LocalHostProbe(clock=self._clock),
            place=_HERE,
            forget=forget,
            versions=versions,
        )

    def _libvirt(self, connection: LibvirtConnection) -> Host:
        # Imported late: a host that only runs bare QEMU needs no libvirt.
        from autoscaler.backends.libvirt.agent import LibvirtAgentChannel  # noqa: PLC0415
        from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor  # noqa: PLC0415

        hypervisor = LibvirtHypervisor(connection.uri, clock=self._clock, adopt=connection.adopt)
        self._opened.callback(hypervisor.close)
        channel = LibvirtAgentChannel(connection.uri, clock=self._clock)
        self._opened.callback(channel.close)
        agent = self._agent(channel)
        hypervisor.subscribe(agent.heard)

        def forget(domain: DomainId) -> None:
            channel.forget(domain)
            agent.forget(domain)

        def versions(domain: DomainId) -> Versions:
            libvirt, qemu = hypervisor.versions()
            return Versions(qemu=qemu, libvirt=libvirt, agent=agent.agent_version(domain))

        return Host(
            hypervisor=hypervisor,
            probe=agent,
            cpus=agent,
            machine=self._machine(connection.uri),
            place=_HERE if is_local(connection.uri) else connection.uri,
            forget=forget,
            versions=versions,
            libvirt=True,
        )

    def _machine(self, uri: str) -> HostProbe:
        if is_local(uri):
            return LocalHostProbe(clock=self._clock)
        from autoscaler.backends.libvirt.host import LibvirtHostProbe  # noqa: PLC0415 - as above

        probe = LibvirtHostProbe(uri, clock=self._clock)
        self._opened.callback(probe.close)
        return probe

    def _agent(self, channel: AgentChannel) -> GuestAgent:
        def observe(command: str, seconds: float, _error: str | None) -> None:
            self._instruments.agent_asked(command, seconds)

        measured = MeasuredChannel(channel, observe)
        agent = GuestAgent(measured, clock=self._clock, timeout_s=self._agent_timeout_s)
        self._opened.callback(agent.close)
        return agent
