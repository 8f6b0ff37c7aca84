"""From a configured connection to the backends behind it: the one place that knows which class does what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.backends.actuator.client import ActuatorClient
from autoscaler.backends.actuator.guests import ActuatedGuests
from autoscaler.backends.actuator.hypervisor import ActuatedLibvirt, ActuatedQmp
from autoscaler.backends.connection import LibvirtConnection
from autoscaler.backends.host import LocalHostProbe, is_local, machine_of
from autoscaler.backends.reached import Reaching, Versions
from autoscaler.service.host import Host

if TYPE_CHECKING:
    from contextlib import ExitStack

    from autoscaler.backends.closing import HostClosing
    from autoscaler.backends.connection import Connection
    from autoscaler.core.model import DomainId
    from autoscaler.ports import Clock, HostProbe, Hypervisor
    from autoscaler.service.config import Config
    from autoscaler.service.instruments import Instruments

_HERE = "this host"
"""The place of every connection whose guests run beside this service."""


def connect(config: Config, clock: Clock, instruments: Instruments, opened: HostClosing) -> tuple[Host, ...]:
    """Make a host of every connection; what is to be closed later goes to `opened`.

    Raises:
        AutoscalerError: a connection needs something that is not installed.
    """
    hosts: list[Host] = []
    for connection in config.connections:
        closing = opened.of(connection.label)
        reaching = Reaching(
            clock=clock,
            agent_timeout_s=config.agent_timeout_s,
            asked=instruments.agent_asked,
            opened=closing,
        )
        if config.actuator is None:
            hosts.append(_own(connection, reaching))
        else:
            client = ActuatorClient(
                config.actuator, asked=reaching.asked, refused=instruments.actuator_refused
            )
            hosts.append(_actuated(connection, client, reaching))
    return tuple(hosts)


def _own(connection: Connection, reaching: Reaching) -> Host:
    """A host that this process itself may change."""
    reached = reaching.to(connection)
    return Host(
        hypervisor=reached.hypervisor,
        probe=reached.agent,
        cpus=reached.agent,
        machine=_machine(connection, reaching.clock, reaching.opened),
        place=_place(connection),
        forget=reached.forget,
        versions=reached.versions,
        libvirt=isinstance(connection, LibvirtConnection),
    )


def _actuated(connection: Connection, client: ActuatorClient, reaching: Reaching) -> Host:
    """A host that this process sees, and has another one change."""
    hypervisor: Hypervisor
    versions = _no_versions
    if isinstance(connection, LibvirtConnection):
        # Imported late: a host that only runs bare QEMU needs no libvirt.
        from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor  # noqa: PLC0415

        reader = LibvirtHypervisor(connection.uri, clock=reaching.clock, adopt=connection.adopt)
        hypervisor = ActuatedLibvirt(reader, client)

        def versions(_: DomainId) -> Versions:
            library, qemu = reader.versions()
            return Versions(qemu=qemu, libvirt=library, agent=None)

    else:
        hypervisor = ActuatedQmp(connection.label, client)
    reaching.opened.callback(hypervisor.close)
    guests = ActuatedGuests(client)

    return Host(
        hypervisor=hypervisor,
        probe=guests,
        cpus=guests,
        machine=_machine(connection, reaching.clock, reaching.opened),
        place=_place(connection),
        forget=_keep_nothing,
        versions=versions,
        libvirt=isinstance(connection, LibvirtConnection),
    )


def _keep_nothing(_: DomainId) -> None:
    """Forget a domain of which nothing is remembered here."""


def _no_versions(_: DomainId) -> Versions:
    """None is known here: only the actuator speaks to that QEMU, and to agents."""
    return Versions(qemu=None, libvirt=None, agent=None)


def _place(connection: Connection) -> str:
    return (machine_of(connection.uri) if isinstance(connection, LibvirtConnection) else "") or _HERE


def _machine(connection: Connection, clock: Clock, opened: ExitStack) -> HostProbe:
    if not isinstance(connection, LibvirtConnection) or is_local(connection.uri):
        return LocalHostProbe(clock=clock)
    from autoscaler.backends.libvirt.host import LibvirtHostProbe  # noqa: PLC0415 - as above

    probe = LibvirtHostProbe(connection.uri, clock=clock)
    opened.callback(probe.close)
    return probe
