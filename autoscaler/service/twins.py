"""Domains that two connections to one machine show: one libvirt under two URIs, mostly.

Each would be decided and changed twice, and counted twice against the host. Invariant: of the connections of
one place, the one that comes first in the configuration has a domain, and no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from autoscaler.core.model import DomainId, DomainView
    from autoscaler.service.host import Host


class Twins:
    """Which domains are left to another connection."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        """`hosts` in the order of the configuration."""
        self._hosts = hosts
        self._left: Mapping[str, Mapping[str, str]] = {}

    def left(self, label: str) -> Mapping[str, str]:
        """Name -> why, of the domains of a host that are left to an earlier one."""
        return self._left.get(label, {})

    def among(self, found: Mapping[str, Mapping[DomainId, DomainView]]) -> Collection[DomainId]:
        """Those that are to be left to another, of what the connections have found, by their labels."""
        owners: dict[tuple[str, str], DomainView] = {}
        twins: set[DomainId] = set()
        left: dict[str, dict[str, str]] = {}
        for host in self._hosts:
            for domain, view in found.get(host.label, {}).items():
                owner = owners.setdefault((host.place, domain.uuid), view)
                if owner.id.host != host.label:
                    twins.add(domain)
                    left.setdefault(host.label, {})[view.name] = _why(owner)
        self._left = left
        return twins


def _why(owner: DomainView) -> str:
    return (
        f"by its UUID it is domain {owner.name} of the connection {owner.id.host} once more, which has it: "
        "take one of the two connections out of the configuration or, if these are two guests, start one of "
        "them with another UUID"
    )
