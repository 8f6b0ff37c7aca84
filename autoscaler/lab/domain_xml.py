"""Describes a lab guest to libvirt.

The domain is transient: it leaves no definition behind. It carries a mark, by which the lab knows its own
domains: it never touches another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from autoscaler.lab import known_hypervisor
from autoscaler.lab.accel import Accel
from autoscaler.lab.guest import AGENT_PORT, LOAD_PORT

if TYPE_CHECKING:
    from autoscaler.lab.image import Image
    from autoscaler.lab.spec import GuestSpec

MARK = "https://vcpu-autoscaler.org/lab/1"
"""The XML namespace of the mark in the domain's metadata."""


def domain_xml(spec: GuestSpec, image: Image, accel: Accel) -> str:
    """Return the XML of a transient domain that boots `spec` from `image`."""
    domain = ET.Element("domain", type="kvm" if accel is Accel.KVM else "qemu")
    _add(domain, "name", spec.name)
    _add(_add(domain, "metadata"), f"{{{MARK}}}guest")
    _add(domain, "memory", str(spec.memory_mib), unit="MiB")
    _add_vcpus(domain, spec)
    boot = _add(domain, "os")
    _add(boot, "type", "hvm", arch="x86_64", machine="q35")
    _add(boot, "kernel", str(image.kernel))
    _add(boot, "initrd", str(image.initrd))
    _add(boot, "cmdline", spec.kernel_arguments)
    features = _add(domain, "features")
    _add(features, "acpi")
    if accel is Accel.KVM:
        _add(domain, "cpu", mode="host-passthrough")
    else:
        _add_known_hypervisor(domain, boot, features)
    _add(domain, "on_reboot", "restart")
    devices = _add(domain, "devices")
    _add(devices, "controller", type="usb", model="none")
    _add(devices, "memballoon", model="none")
    _add(devices, "serial", type="pty")
    for port in (AGENT_PORT, LOAD_PORT):
        _add(_add(devices, "channel", type="unix"), "target", type="virtio", name=port)
    return ET.tostring(domain, encoding="unicode")


def channel_path(xml: str, port: str) -> str | None:
    """Return the host's socket of a running domain's virtio channel `port`; None: it has no such channel."""
    for channel in ET.fromstring(xml).iterfind("devices/channel"):  # noqa: S314 - written by libvirt
        target, source = channel.find("target"), channel.find("source")
        if target is not None and source is not None and target.get("name") == port:
            return source.get("path")
    return None


def _add_known_hypervisor(domain: ET.Element, boot: ET.Element, features: ET.Element) -> None:
    """See `known_hypervisor`."""
    _add(features, "vmport", state="on")
    _add(boot, "smbios", mode="sysinfo")
    system = _add(_add(domain, "sysinfo", type="smbios"), "system")
    _add(system, "entry", known_hypervisor.SERIAL, name="serial")
    processor = _add(domain, "cpu", mode="custom", match="exact", check="none")
    _add(processor, "model", known_hypervisor.MODEL, fallback="forbid")
    _add(processor, "feature", policy="disable", name="hypervisor")


def _add_vcpus(domain: ET.Element, spec: GuestSpec) -> None:
    """Only a vCPU that is marked hotpluggable can be removed again; the first one has to stay."""
    _add(domain, "vcpu", str(spec.maximum), current=str(spec.vcpus))
    vcpus = _add(domain, "vcpus")
    for number in range(spec.maximum):
        _add(
            vcpus,
            "vcpu",
            id=str(number),
            enabled="yes" if number < spec.vcpus else "no",
            hotpluggable="yes" if number else "no",
        )


def _add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element
