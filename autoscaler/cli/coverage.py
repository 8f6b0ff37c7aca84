"""Which policy governs which domain of a host: what a policy set comes to before the service has it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.core.owner import left_alone
from autoscaler.core.policy import opted_out
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
    also: tuple[str, ...]
    """Names of later policies that fit it as well, and do not govern it."""
    opted_out: bool
    """Whether its owner keeps it out of every policy."""
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
    covered = (_covered(policies, view) for view in views)
    return Coverage(
        domains=sorted(covered, key=lambda domain: (domain.name, domain.uuid)), left_alone=left_alone(views)
    )


def _covered(policies: PolicySet, view: DomainView) -> Covered:
    out = opted_out(view.labels)
    fitting = [
        policy.name
        for policy in policies.policies
        if not out and view.claimed_by is None and policy.match.fits(view.name, view.id.uuid, view.labels)
    ]
    return Covered(
        name=view.name,
        uuid=view.id.uuid,
        policy=fitting[0] if fitting else None,
        also=tuple(fitting[1:]),
        opted_out=out,
        claimed_by=view.claimed_by,
    )
