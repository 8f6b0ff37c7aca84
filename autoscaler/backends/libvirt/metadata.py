"""What a domain's libvirt metadata says: the labels that its owner wrote for us.

Labels are the attributes of one element of our own:

    virsh metadata DOMAIN urn:vcpu-autoscaler:1 --key autoscaler --set '<labels tier="gold"/>' --live --config

Invariant: the text is not trusted. It is bounded before it is parsed, and a document type, which could define
entities, ends the parsing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat

from autoscaler.backends.labels import NO_LABELS, checked
from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.backends.libvirt.errors import REFUSED

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE = "urn:vcpu-autoscaler:1"
"""The XML namespace of our element."""
MOST_BYTES = 4096

_NOTHING_WRITTEN = REFUSED | {libvirt.VIR_ERR_NO_DOMAIN_METADATA}
"""There is none, or the hypervisor keeps no metadata at all."""


def read_labels(domain: libvirt.virDomain) -> Mapping[str, str]:
    """Ask libvirt for the labels of a running domain: no request to its QEMU, and no wait for its jobs.

    Raises:
        ValueError: see `labels_in`.
        libvirtError: libvirt could not be asked, or the domain has ended.
    """
    try:
        text = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except libvirt.libvirtError as error:
        if error.get_error_code() in _NOTHING_WRITTEN:
            return NO_LABELS
        raise
    return labels_in(text)


def labels_in(text: str) -> Mapping[str, str]:
    """The attributes of the root element; one with a prefix is somebody else's, and what is inside too.

    Raises:
        ValueError: it is no XML of at most 4 KiB, has a document type, or holds no fit labels; the text of
            the error says which, and never what was written.
    """
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise ValueError(f"the element is longer than {MOST_BYTES} bytes")
    root: dict[str, str] | None = None

    def start_element(_name: str, attributes: dict[str, str]) -> None:
        nonlocal root
        if root is None:
            root = attributes

    def start_document_type(*_declaration: object) -> None:
        raise ValueError("it has a document type, which is not allowed")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start_element
    parser.StartDoctypeDeclHandler = start_document_type
    try:
        parser.Parse(text, True)  # noqa: FBT003 - it takes no names
    except (expat.ExpatError, UnicodeEncodeError):
        raise ValueError("it is no well-formed XML") from None
    assert root is not None
    return checked({key: value for key, value in root.items() if ":" not in key and key != "xmlns"})
