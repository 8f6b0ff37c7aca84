"""Definitions of domains, what they start from next time: read with all that is in them, and replaced whole.

Invariant: a definition is replaced only while it is the one that was read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.backends.libvirt.errors import look_failed, said
from autoscaler.backends.libvirt.link import LibvirtLink, is_alive
from autoscaler.errors import Conflict, Denied

if TYPE_CHECKING:
    from autoscaler.core.named import Named
    from autoscaler.ports import Clock

_WHOLE = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
"""With its passwords, which a definition without them would end."""


class LibvirtDefinitions:
    """Those of one connection that may change domains."""

    def __init__(self, uri: str, *, clock: Clock) -> None:
        """Remember how to connect; nothing is opened yet."""
        self._link = LibvirtLink(uri, clock=clock)

    def read(self, domain: Named) -> str:
        """A persistent domain's definition, passwords and all.

        Raises:
            BackendUnavailable: the connection is down.
            Denied, DomainGone: it cannot be read.
        """
        connection = self._link.connection()
        try:
            return str(connection.lookupByUUIDString(domain.uuid).XMLDesc(_WHOLE))
        except libvirt.libvirtError as error:
            raise look_failed(error, domain, alive=is_alive(connection)) from error

    def replace(self, domain: Named, *, before: str, after: str) -> None:
        """Define the domain anew; it runs on as it is.

        Raises:
            Conflict: somebody else has changed the definition since `before` was read.
            BackendUnavailable, DomainGone: the connection is down, or the domain is not there.
            Denied: libvirt does not take it.
        """
        if self.read(domain) != before:
            raise Conflict(f"the definition of domain {domain} was changed meanwhile: look again")
        connection = self._link.connection()
        try:
            connection.defineXML(after)
        except libvirt.libvirtError as error:
            raise Denied(
                f"libvirt does not take the new definition of domain {domain}: {said(error)}"
            ) from error

    def close(self) -> None:
        """Let go of the connection."""
        self._link.close()
