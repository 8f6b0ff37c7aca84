"""The facts of a libvirt connection and of its domains.

Invariant: no domain is changed. Its agent is asked nothing but to tell, which libvirt marks the domain as
tainted for.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from autoscaler.backends.host import LocalHostProbe, is_local
from autoscaler.backends.libvirt.agent import LibvirtAgentChannel
from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor
from autoscaler.backends.libvirt.inspection import LibvirtInspector
from autoscaler.doctor.asking import Told, ask_actuator, ask_agents
from autoscaler.doctor.facts import Build, DomainFacts, HostFacts, Way
from autoscaler.doctor.from_libvirt import build_of, vcpus_of
from autoscaler.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.backends.libvirt.inspection import LibvirtDomain
    from autoscaler.core.model import DomainId, DomainView
    from autoscaler.doctor.asking import Request
    from autoscaler.ports import Clock
    from autoscaler.service.settings import LibvirtConnection


def gather_libvirt(
    connection: LibvirtConnection, request: Request, clock: Clock
) -> tuple[HostFacts, list[DomainFacts]]:
    """The host, and the domains that are asked for; one that is named is looked at though it does not run."""
    uri = connection.uri
    with ExitStack() as opened:
        inspector = LibvirtInspector(uri, clock=clock)
        opened.callback(inspector.close)
        hypervisor = LibvirtHypervisor(uri, clock=clock, adopt=connection.adopt)
        opened.callback(hypervisor.close)
        channel = LibvirtAgentChannel(uri, clock=clock)
        opened.callback(channel.close)
        try:
            views = {view.id.uuid: view for view in hypervisor.domains()}
            host = _host(connection, inspector, list(views.values()), request, clock)
            records = inspector.domains()
        except BackendUnavailable as error:
            return HostFacts(label=connection.label, way=Way.LIBVIRT, trouble=str(error)), []
        looked_at = [
            (record, views.get(record.uuid))
            for record in records
            if request.wants(record.name, record.uuid) and (record.active or request.domain is not None)
        ]
        builds = {record.uuid: _build(record) for record, _ in looked_at}
        told: Mapping[DomainId, Told] = {}
        if not host.refusal:
            asked = [view for record, view in looked_at if view and _may_answer(builds[record.uuid])]
            told = ask_agents(channel, clock, asked, timeout_s=request.agent_timeout_s)
    return host, [
        _domain(host, record, view, builds[record.uuid], told, request) for record, view in looked_at
    ]


def _host(
    connection: LibvirtConnection,
    inspector: LibvirtInspector,
    views: Sequence[DomainView],
    request: Request,
    clock: Clock,
) -> HostFacts:
    host = inspector.host()
    machine = LocalHostProbe(clock=clock).view() if is_local(connection.uri) else None
    return HostFacts(
        label=connection.label,
        way=Way.LIBVIRT,
        refusal=inspector.refusal(),
        libvirt=host.libvirt,
        qemu=host.qemu,
        cpus=host.cpus if machine is None else machine.cpus,
        nodes=host.nodes,
        pressure_ratio=None if machine is None else machine.pressure_ratio,
        plugged_vcpus=sum(view.plugged for view in views),
        maximum_vcpus=sum(view.maximum for view in views),
        limits=request.limits,
        actuator=ask_actuator(request, connection.label),
    )


def _build(record: LibvirtDomain) -> Build | str:
    """Or why its description cannot be read."""
    try:
        return build_of(record)
    except ValueError as error:
        return f"libvirt describes domain {record.name} in a form that is not known ({error}): report it"


def _may_answer(build: Build | str) -> bool:
    return not isinstance(build, str) and build.channel is not False and build.connected is not False


def _domain(
    host: HostFacts,
    record: LibvirtDomain,
    view: DomainView | None,
    build: Build | str,
    told: Mapping[DomainId, Told],
    request: Request,
) -> DomainFacts:
    agent = Told(trouble=host.refusal) if view is None else told.get(view.id, Told(trouble=host.refusal))
    plugged, maximum = (0, 0) if isinstance(build, str) else vcpus_of(record)
    return DomainFacts(
        host=host,
        name=record.name,
        uuid=record.uuid,
        view=view,
        plugged=view.plugged if view else plugged,
        maximum=view.maximum if view else maximum,
        build=Build(starts_with=None, next_maximum=None) if isinstance(build, str) else build,
        trouble=build if isinstance(build, str) else "",
        agent=agent.inspection,
        agent_trouble=agent.trouble,
        agent_busy=agent.busy,
        policies_known=request.policies is not None,
        policy=request.policy_of(view, record.name, record.uuid),
    )
