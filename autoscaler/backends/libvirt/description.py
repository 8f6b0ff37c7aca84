"""What a running domain's description says of it, beside its labels: who runs it, and whether it is emulated.

Invariant: whose elements there are in its metadata is seen, and nothing in them is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from autoscaler.core.owner import Owner

if TYPE_CHECKING:
    from autoscaler.backends.libvirt.binding import libvirt

_OWNERS = {
    "http://openstack.org/xmlns/libvirt/nova/": Owner.NOVA,
    "http://ovirt.org/vm/": Owner.OVIRT,
    "http://kubevirt.io": Owner.KUBEVIRT,
}
"""How the namespaces begin of those who mark the domains that they run, whatever the version."""
_EMULATED = {"qemu": True, "kvm": False}
"""By the type of a domain."""


@dataclass(frozen=True, slots=True)
class Described:
    """What one description says; none of it but the owner changes while the domain runs."""

    owner: Owner | None
    """Who runs it; None: nobody that is known."""
    emulated: bool | None
    """Whether its QEMU does without KVM; None: it is no QEMU."""


NOT_DESCRIBED = Described(owner=None, emulated=None)
"""What is known of a domain of whose description nothing was heard."""


def read_description(domain: libvirt.virDomain) -> Described:
    """Ask libvirt for the description of a running domain: no request to its QEMU, and no wait for its jobs.

    One request for all of it: libvirt tells metadata by its namespace only, one request each.

    Raises:
        ValueError: the description is no well-formed XML.
        libvirtError: libvirt could not be asked, or the domain has ended.
    """
    return described_in(domain.XMLDesc(0))


def described_in(description: str) -> Described:
    """What a description says.

    Raises:
        ValueError: it is no well-formed XML.
    """
    try:
        root = ET.fromstring(description)  # noqa: S314 - written by libvirt
    except ET.ParseError:
        raise ValueError("its description is no well-formed XML") from None
    return Described(_owner_in(root), is_emulated(root))


def is_emulated(root: ET.Element) -> bool | None:
    """Whether the QEMU of a domain, by the root of its description, does without KVM; None: it is no QEMU."""
    return _EMULATED.get(root.get("type", ""))


def owner_of(namespace: str) -> Owner | None:
    """Who marks the domains that he runs by elements of this namespace; None: nobody that is known."""
    return next((owner for begin, owner in _OWNERS.items() if namespace.startswith(begin)), None)


def _owner_in(root: ET.Element) -> Owner | None:
    """Whose element it holds beside ours."""
    metadata = root.find("metadata")
    elements = () if metadata is None else metadata
    # A name is written as {namespace}name where it has one.
    owners = (owner_of(element.tag[1:].partition("}")[0]) for element in elements if element.tag[0] == "{")
    return next((owner for owner in owners if owner is not None), None)
