"""The facts of guests whose QEMU is spoken to directly. A QEMU serves one client at a time on each socket.

Invariant: no guest is changed.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from autoscaler.backends.agent.channel import SocketAgentChannel
from autoscaler.backends.host import LocalHostProbe, numa_nodes
from autoscaler.backends.qmp.exposure import on_tcp, socket_modes
from autoscaler.backends.qmp.guests import GuestFolder, GuestList
from autoscaler.backends.qmp.hypervisor import QmpHypervisor
from autoscaler.doctor.asking import ACTUATOR, SERVICE, Told, ask_actuator, ask_agents, installed
from autoscaler.doctor.facts import Build, DomainFacts, HostFacts, Way
from autoscaler.doctor.from_qmp import build_of
from autoscaler.errors import (
    AgentAbsent,
    AutoscalerError,
    BackendUnavailable,
    DomainGone,
    NoChannel,
)
from autoscaler.service.settings import QmpFolderConnection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.backends.qmp.guests import QmpGuest
    from autoscaler.core.model import DomainView
    from autoscaler.doctor.asking import Request
    from autoscaler.ports import Clock
    from autoscaler.service.settings import QmpListConnection

_SWEEP_S = 5.0
"""How long slow guests are waited for."""


def gather_qmp(
    connection: QmpFolderConnection | QmpListConnection, request: Request, clock: Clock
) -> tuple[HostFacts, list[DomainFacts]]:
    """The host, and the guests that are asked for, seen or not."""
    source = (
        GuestFolder(connection.folder)
        if isinstance(connection, QmpFolderConnection)
        else GuestList(connection.guests)
    )
    with ExitStack() as opened:
        hypervisor = QmpHypervisor(label=connection.label, guests=source, clock=clock, sweep_s=_SWEEP_S)
        opened.callback(hypervisor.close)
        channel = SocketAgentChannel(hypervisor.agent_address, name_of=hypervisor.name_of)
        opened.callback(channel.close)
        try:
            guests = source.guests()
            views = {view.name: view for view in hypervisor.domains()}
            host = _host(connection.label, list(views.values()), request, clock)
        except BackendUnavailable as error:
            return HostFacts(label=connection.label, way=Way.QMP, trouble=str(error)), []
        looked_at = [guest for guest in guests if _wanted(request, guest, views.get(guest.name))]
        cpus = frozenset[int]().union(*host.nodes)
        found = {
            guest.name: _build(hypervisor, views[guest.name], cpus)
            for guest in looked_at
            if guest.name in views
        }
        asked = [views[name] for name, build in found.items() if not isinstance(build, str) and build.channel]
        told = ask_agents(
            channel,
            clock,
            [view for view in asked if _connected(found[view.name])],
            timeout_s=request.agent_timeout_s,
        )
        troubles = hypervisor.troubles()
        looked_in_vain = [
            _refused(host, name, why) for name, why in source.refused.items() if request.wants(name, "")
        ]
        return host, looked_in_vain + [
            _domain(
                host,
                guest,
                views.get(guest.name),
                found.get(guest.name, troubles.get(guest.name, "no look at it succeeded: try again")),
                {view.name: told[view.id] for view in asked if view.id in told},
                request,
            )
            for guest in looked_at
        ]


def _wanted(request: Request, guest: QmpGuest, view: DomainView | None) -> bool:
    return request.wants(guest.name, view.id.uuid if view else guest.uuid or "")


def _connected(build: Build | str) -> bool:
    return not isinstance(build, str) and build.connected is not False


def _host(label: str, views: Sequence[DomainView], request: Request, clock: Clock) -> HostFacts:
    machine = LocalHostProbe(clock=clock).view()
    return HostFacts(
        label=label,
        way=Way.QMP,
        cpus=machine.cpus,
        nodes=numa_nodes(),
        pressure_ratio=machine.pressure_ratio,
        plugged_vcpus=sum(view.plugged for view in views),
        maximum_vcpus=sum(view.maximum for view in views),
        limits=request.limits,
        speaks_to_qemu=_speaks_to_qemu(request),
        actuator=ask_actuator(request, label),
    )


def _speaks_to_qemu(request: Request) -> str:
    user = SERVICE if request.actuator is None else ACTUATOR
    return "" if installed(user) is None else user


def _build(hypervisor: QmpHypervisor, view: DomainView, cpus: frozenset[int]) -> Build | str:
    """Or why it is not known."""
    try:
        qemu = hypervisor.inspect(view.id)
    except AutoscalerError as error:
        return str(error)
    channel, connected = True, True if qemu.agent_channel else None
    try:
        hypervisor.agent_address(view.id)
    except NoChannel:
        channel = False
    except (AgentAbsent, DomainGone):
        connected = False
    return build_of(qemu, channel=channel, connected=connected, cpus=cpus)


def _refused(host: HostFacts, name: str, why: str) -> DomainFacts:
    """A folder that is no guest's, with why."""
    nothing = Build(starts_with=None, next_maximum=None)
    return DomainFacts(
        host=host, name=name, uuid="", view=None, plugged=0, maximum=0, build=nothing, trouble=why
    )


def _domain(
    host: HostFacts,
    guest: QmpGuest,
    view: DomainView | None,
    build: Build | str,
    told: Mapping[str, Told],
    request: Request,
) -> DomainFacts:
    agent = told.get(guest.name, Told())
    uuid = view.id.uuid if view else guest.uuid or ""
    return DomainFacts(
        host=host,
        name=guest.name,
        uuid=uuid,
        view=view,
        plugged=view.plugged if view else 0,
        maximum=view.maximum if view else 0,
        build=Build(starts_with=None, next_maximum=None) if isinstance(build, str) else build,
        trouble=build if isinstance(build, str) else "",
        agent=agent.inspection,
        agent_trouble=agent.trouble,
        agent_busy=agent.busy,
        socket_modes=socket_modes(guest),
        on_tcp=tuple(map(str, on_tcp(guest))),
        policies_known=request.policies is not None,
        policy=request.policy_of(view, guest.name, uuid),
    )
