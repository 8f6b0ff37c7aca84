"""The domain that libvirt is asked for."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from autoscaler.lab.accel import Accel
from autoscaler.lab.domain_xml import MARK, channel_path, domain_xml
from autoscaler.lab.guest import AGENT_PORT, LOAD_PORT
from autoscaler.lab.image import Image
from autoscaler.lab.spec import GuestSpec

IMAGE = Image(kernel=Path("/c/a&b/vmlinuz"), initrd=Path("/c/a&b/initrd"))


def described(spec: GuestSpec, accel: Accel = Accel.TCG) -> ET.Element:
    return ET.fromstring(domain_xml(spec, IMAGE, accel))


def test_every_vcpu_but_the_first_can_be_removed_and_only_the_wanted_are_plugged() -> None:
    domain = described(GuestSpec(name="g", vcpus=2, maximum=3))
    assert (domain.findtext("vcpu"), domain.find("vcpu[@current='2']") is not None) == ("3", True)
    assert [(vcpu.get("id"), vcpu.get("enabled"), vcpu.get("hotpluggable")) for vcpu in domain.iter("vcpu")][
        1:
    ] == [("0", "yes", "no"), ("1", "yes", "yes"), ("2", "no", "yes")]


def test_the_image_boots_directly_whatever_its_path() -> None:
    domain = described(GuestSpec(name="g"))
    assert domain.findtext("os/kernel") == "/c/a&b/vmlinuz"
    assert domain.findtext("os/initrd") == "/c/a&b/initrd"
    assert domain.findtext("os/cmdline") == GuestSpec(name="g").kernel_arguments


@pytest.mark.parametrize(
    ("accel", "expected"),
    [
        pytest.param(Accel.KVM, ("kvm", "host-passthrough"), id="KVM with the host's processor"),
        pytest.param(Accel.TCG, ("qemu", "custom"), id="emulation with QEMU's own"),
    ],
)
def test_the_accelerator_decides_type_and_processor(accel: Accel, expected: tuple[str, str | None]) -> None:
    domain = described(GuestSpec(name="g"), accel)
    processor = domain.find("cpu")
    assert (domain.get("type"), None if processor is None else processor.get("mode")) == expected


def test_an_emulated_guest_is_shown_a_hypervisor_that_its_kernel_knows() -> None:
    domain = described(GuestSpec(name="g"), Accel.TCG)
    assert (domain.findtext("sysinfo/system/entry") or "").startswith("VMware")
    assert domain.find("features/vmport[@state='on']") is not None
    assert domain.find("cpu/feature[@name='hypervisor'][@policy='disable']") is not None


def test_it_has_both_channels_and_the_mark() -> None:
    domain = described(GuestSpec(name="g", agent=False))
    assert [each.get("name") for each in domain.iterfind("devices/channel/target")] == [AGENT_PORT, LOAD_PORT]
    assert domain.find(f"metadata/{{{MARK}}}guest") is not None


def test_a_channels_socket_is_found_by_the_ports_name() -> None:
    live = f"""<domain><devices>
        <channel><source path='/x/agent'/><target name='{AGENT_PORT}'/></channel>
        <channel><source path='/x/load'/><target name='{LOAD_PORT}'/></channel>
        <channel><target name='other'/></channel></devices></domain>"""
    assert [channel_path(live, port) for port in (LOAD_PORT, "other", "none")] == ["/x/load", None, None]
