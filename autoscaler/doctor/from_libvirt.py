"""A domain's XML as facts.

Invariant: what the XML does not say stays unknown; nothing in it is believed to be a number before it was
read as one.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from autoscaler.backends.libvirt.description import is_emulated
from autoscaler.doctor.facts import Build, Placement, Slot, Topology

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autoscaler.backends.libvirt.inspection import LibvirtDomain

_AGENT = "devices/channel/target[@name='org.qemu.guest_agent.0']"
_ACPI = "features/acpi"
_WITHOUT_SLOTS = frozenset({"isapc", "microvm", "none"})
_PERIOD_US = 100_000
"""libvirt's default period of a quota."""


def build_of(domain: LibvirtDomain) -> Build:
    """How a domain is put together.

    Raises:
        ValueError: the XML is none, or a number in it is none.
    """
    try:
        running = ET.fromstring(domain.description)  # noqa: S314 - written by libvirt
        stored = None if domain.definition is None else ET.fromstring(domain.definition)  # noqa: S314
    except ET.ParseError:
        raise ValueError("its description is no well-formed XML") from None
    emulated = is_emulated(running)
    is_qemu = emulated is not None
    system, channel = running.find("os/type"), running.find(_AGENT)
    state = None if channel is None else channel.get("state")
    following = stored if domain.active else None
    return Build(
        starts_with=None if stored is None else _counts(stored)[0],
        next_maximum=None if following is None else _counts(following)[1],
        transient=stored is None,
        arch=None if system is None else system.get("arch"),
        machine=None if system is None else system.get("machine"),
        emulated=emulated,
        acpi=running.find(_ACPI) is not None if is_qemu else None,
        hides_hypervisor=_hidden(running),
        no_kvmclock=running.find("clock/timer[@name='kvmclock'][@present='no']") is not None,
        slots=tuple(_slots(running)) or None,
        hotplug=system is None or system.get("machine") not in _WITHOUT_SLOTS,
        topology=_topology(running.find("cpu/topology")),
        vcpu_attributes=_attributes(running if stored is None else stored),
        placement=_placement(running),
        channel=channel is not None if is_qemu else None,
        connected=None if state is None else state == "connected",
        next_channel=None if following is None else following.find(_AGENT) is not None,
        next_acpi=None if following is None else following.find(_ACPI) is not None,
    )


def vcpus_of(domain: LibvirtDomain) -> tuple[int, int]:
    """The vCPUs that a domain has, or starts with where it does not run, and its maximum.

    Raises:
        ValueError: see `build_of`.
    """
    try:
        return _counts(ET.fromstring(domain.description))  # noqa: S314 - written by libvirt
    except ET.ParseError:
        raise ValueError("its description is no well-formed XML") from None


def _counts(described: ET.Element) -> tuple[int, int]:
    vcpu = described.find("vcpu")
    if vcpu is None:
        return 1, 1
    maximum = int(vcpu.text or "1")
    return int(vcpu.get("current", maximum)), maximum


def _slots(described: ET.Element) -> Iterator[Slot]:
    for vcpu in described.iterfind("vcpus/vcpu"):
        plugged = vcpu.get("enabled") == "yes"
        yield Slot(vcpus=1, plugged=plugged, removable=not plugged or vcpu.get("hotpluggable") == "yes")


def _topology(element: ET.Element | None) -> Topology | None:
    return None if element is None else topology_of(element.attrib)


def topology_of(attributes: Mapping[str, str]) -> Topology:
    """What its element says.

    Raises:
        ValueError: something in it is no number.
    """
    return Topology(**{level.name: int(attributes.get(level.name, "1")) for level in fields(Topology)})


def _attributes(described: ET.Element) -> tuple[tuple[str, str], ...]:
    vcpu = described.find("vcpu")
    return () if vcpu is None else tuple(it for it in vcpu.items() if it[0] != "current")


def _hidden(described: ET.Element) -> str:
    if described.find("features/kvm/hidden[@state='on']") is not None:
        return "<hidden state='on'/>"
    if described.find("cpu/feature[@name='hypervisor'][@policy='disable']") is not None:
        return "<feature policy='disable' name='hypervisor'/>"
    return ""


def _placement(described: ET.Element) -> Placement:
    vcpu = described.find("vcpu")
    cpuset = None if vcpu is None else vcpu.get("cpuset")
    tune = described.find("cputune")
    pins = {} if tune is None else _pins(tune)
    memory = described.find("numatune/memory")
    return Placement(
        pins=pins,
        allowed=cpus_in(cpuset) if cpuset else None,
        strict_nodes=memory is not None and memory.get("mode", "strict") == "strict",
        cells=len(described.findall("cpu/numa/cell")),
        quota_vcpus=_quota(tune, "global_quota", "global_period"),
        vcpu_quota_ratio=_quota(tune, "quota", "period"),
    )


def _pins(tune: ET.Element) -> dict[int, frozenset[int]]:
    return {int(pin.get("vcpu", "0")): cpus_in(pin.get("cpuset", "")) for pin in tune.iterfind("vcpupin")}


def _quota(tune: ET.Element | None, quota: str, period: str) -> float | None:
    if tune is None:
        return None
    limit_us = int(tune.findtext(quota) or "0")
    return limit_us / int(tune.findtext(period) or _PERIOD_US) if limit_us > 0 else None


def cpus_in(text: str) -> frozenset[int]:
    """The CPUs of a list as libvirt writes it: ``0-3,^2,6``.

    Raises:
        ValueError: it is none.
    """
    found: set[int] = set()
    for part in text.split(","):
        ends = [int(end) for end in part.strip().removeprefix("^").split("-")]
        cpus = range(ends[0], ends[-1] + 1)
        found = found - set(cpus) if part.strip().startswith("^") else found | set(cpus)
    return frozenset(found)
