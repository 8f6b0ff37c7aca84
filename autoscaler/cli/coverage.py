"""Which policy governs which domain of a host: what a policy set comes to before the service has it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.service.clock import SystemClock

if TYPE_CHECKING:
    from autoscaler.core.policy import PolicySet


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """A domain, and the policy that governs it."""

    name: str
    uuid: str
    policy: str | None
    """None: the domain is left alone."""


def coverage(policies: PolicySet, uri: str) -> list[Covered]:
    """Every active domain of the libvirt connection `uri`, by name.

    Raises:
        BackendUnavailable: the connection cannot be made, or libvirt-python is not installed.
    """
    # Imported late: a host that only runs bare QEMU needs no libvirt.
    from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor  # noqa: PLC0415

    with closing(LibvirtHypervisor(uri, clock=SystemClock())) as hypervisor:
        views = hypervisor.domains()
    governing = ((view, policies.governing(view.name, view.id.uuid, view.labels)) for view in views)
    covered = [
        Covered(name=view.name, uuid=view.id.uuid, policy=policy.name if policy else None)
        for view, policy in governing
    ]
    return sorted(covered, key=lambda domain: (domain.name, domain.uuid))
