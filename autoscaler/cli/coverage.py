"""Which policy governs which domain of a host: what a policy set comes to before the service has it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.core.owner import left_alone
from autoscaler.service.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Collection

    from autoscaler.core.model import DomainView
    from autoscaler.core.owner import Owner
    from autoscaler.core.policy import PolicySet


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """A domain, and the policy that governs it."""

    name: str
    uuid: str
    policy: str | None
    """None: the domain is left alone."""
    claimed_by: Owner | None
    """Who runs it, where that is why it is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a policy set comes to on one connection."""

    domains: list[Covered]
    """By name."""
    left_alone: dict[Owner, str]
    """For each who runs some of them, a sentence why those are left alone and what changes it."""


def coverage(policies: PolicySet, uri: str, *, adopt: Collection[Owner]) -> Coverage:
    """Every active domain of the libvirt connection `uri`, where those of these owners are adopted.

    Raises:
        BackendUnavailable: the connection cannot be made, or libvirt-python is not installed.
    """
    # Imported late: a host that only runs bare QEMU needs no libvirt.
    from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor  # noqa: PLC0415

    with closing(LibvirtHypervisor(uri, clock=SystemClock(), adopt=adopt)) as hypervisor:
        views = hypervisor.domains()
    covered = [
        Covered(name=view.name, uuid=view.id.uuid, policy=_policy(policies, view), claimed_by=view.claimed_by)
        for view in views
    ]
    return Coverage(
        domains=sorted(covered, key=lambda domain: (domain.name, domain.uuid)), left_alone=left_alone(views)
    )


def _policy(policies: PolicySet, view: DomainView) -> str | None:
    policy = policies.governing(view.name, view.id.uuid, view.labels)
    return None if policy is None or view.claimed_by is not None else policy.name
