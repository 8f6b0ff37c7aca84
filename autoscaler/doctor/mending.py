"""What the doctor finds, mended in a domain's definition.

Invariant: nothing but what a finding names is changed, and a definition that has it already stays as it is.
"""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING
from xml.dom import minidom
from xml.dom.minidom import Element

from autoscaler.doctor.checks.agent import CHANNEL_XML
from autoscaler.doctor.finding import Part, Severity
from autoscaler.doctor.from_libvirt import topology_of
from autoscaler.doctor.redacted import redacted_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from autoscaler.doctor.finding import Finding, Mend

_AGENT = "org.qemu.guest_agent.0"


def mended(definition: str, findings: Iterable[Finding]) -> str:
    """The definition with what these findings warn of mended, as far as they say that it mends them.

    It comes back as it was where there is nothing to do.
    """
    document = minidom.parseString(definition)  # noqa: S318 - written by libvirt
    root = _root(document)
    before = root.toxml()
    for finding in findings:
        mend = finding.fix.mend
        if mend is not None and finding.severity.rank >= Severity.WARNING.rank:
            _MENDS[mend.part](root, mend)
    after = root.toxml()
    return definition if after == before else after


def difference(before: str, after: str) -> str:
    """What differs, line by line, without secrets."""
    # Secrets go before lines do: it may be the tag around one by which it is known.
    old, new = (redacted_xml(_root(minidom.parseString(it)).toxml()) for it in (before, after))  # noqa: S318
    lines = unified_diff(old.splitlines(), new.splitlines(), "its definition", "mended", lineterm="")
    return "\n".join(lines)


def _raise_maximum(root: Element, mend: Mend) -> None:
    vcpu, wanted = _child(root, "vcpu"), mend.maximum or 0
    if vcpu is None or _number(vcpu) >= wanted:
        return
    had = _number(vcpu)
    cpu = _child(root, "cpu")
    shown = None if cpu is None else _child(cpu, "topology")
    if shown is not None:
        grown = topology_of(dict(shown.attributes.items())).with_vcpus(wanted)
        shown.setAttribute("sockets", str(grown.sockets))
        wanted = grown.vcpus
    if not vcpu.hasAttribute("current"):
        vcpu.setAttribute("current", str(had))
    _content(vcpu).data = str(wanted)
    listed = _child(root, "vcpus")
    for number in range(had, wanted if listed else had):
        _append(listed, _vcpu(root, number, enabled=False))


def _make_removable(root: Element, _: Mend) -> None:
    vcpu, listed = _child(root, "vcpu"), _child(root, "vcpus")
    if vcpu is None:
        return
    maximum = _number(vcpu)
    if listed is None:
        listed = _new(root, "vcpus")
        _append(root, listed, depth=1)
        listed.appendChild(_text(root, "\n  "))
        current = int(vcpu.getAttribute("current") or maximum)
        for number in range(maximum):
            _append(listed, _vcpu(root, number, enabled=number < current))
        return
    for one in listed.getElementsByTagName("vcpu"):
        if one.getAttribute("id") != "0":
            one.setAttribute("hotpluggable", "yes")


def _add_channel(root: Element, _: Mend) -> None:
    devices = _child(root, "devices")
    targets = [] if devices is None else devices.getElementsByTagName("target")
    if devices is not None and not any(target.getAttribute("name") == _AGENT for target in targets):
        indented = CHANNEL_XML.replace("\n", "\n    ")
        _append(devices, _root(minidom.parseString(indented)))  # noqa: S318 - our own


def _add_acpi(root: Element, _: Mend) -> None:
    features = _child(root, "features")
    if features is None:
        features = _new(root, "features")
        features.appendChild(_text(root, "\n  "))
        _append(root, features, depth=1)
    if _child(features, "acpi") is None:
        _append(features, _new(root, "acpi"))


_MENDS: dict[Part, Callable[[Element, Mend], None]] = {
    Part.MAXIMUM: _raise_maximum,
    Part.SLOTS: _make_removable,
    Part.CHANNEL: _add_channel,
    Part.ACPI: _add_acpi,
}


def _root(document: minidom.Document) -> Element:
    assert document.documentElement is not None
    return document.documentElement


def _child(parent: Element, name: str) -> Element | None:
    return next((it for it in parent.childNodes if isinstance(it, Element) and it.nodeName == name), None)


def _content(element: Element) -> minidom.Text:
    """An element that has none is none of libvirt's."""
    assert isinstance(element.firstChild, minidom.Text)
    return element.firstChild


def _number(element: Element) -> int:
    return int(_content(element).data)


def _vcpu(root: Element, number: int, *, enabled: bool) -> Element:
    vcpu = _new(root, "vcpu")
    vcpu.setAttribute("id", str(number))
    vcpu.setAttribute("enabled", "yes" if enabled else "no")
    vcpu.setAttribute("hotpluggable", "yes" if number else "no")
    return vcpu


def _new(root: Element, name: str) -> Element:
    return _owner(root).createElement(name)


def _text(root: Element, text: str) -> minidom.Text:
    return _owner(root).createTextNode(text)


def _owner(element: Element) -> minidom.Document:
    assert element.ownerDocument is not None
    return element.ownerDocument


def _append(parent: Element | None, child: Element, *, depth: int = 2) -> None:
    """As the last element, indented as libvirt does."""
    if parent is not None:
        end = parent.lastChild
        for node in (_text(parent, "\n" + "  " * depth), child):
            parent.insertBefore(node, end)
