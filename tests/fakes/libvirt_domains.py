"""Definitions of domains that boot nothing: enough for every vCPU to be plugged, seen and counted."""

from __future__ import annotations

import time

AGENT_CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


class RealClock:
    """The machine's own time."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def wall_s(self) -> float:
        return time.time()


def pretend_domain(name: str, *, vcpus: int = 1, maximum: int = 4) -> str:
    """Return XML for ``test:///``."""
    return (
        f"<domain type='test'><name>{name}</name><memory unit='MiB'>64</memory>"
        f"<vcpu current='{vcpus}'>{maximum}</vcpu><os><type>hvm</type></os></domain>"
    )


def bare_qemu_domain(
    name: str, *, vcpus: int = 1, maximum: int = 4, devices: str = "", boot: str = ""
) -> str:
    """Return XML for ``qemu://``, emulated, without a disk.

    Args:
        name: the domain's name.
        vcpus: plugged at start.
        maximum: the most it may have.
        devices: further device elements.
        boot: further elements of ``os``.
    """
    return (
        f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>256</memory>"
        f"<vcpu current='{vcpus}'>{maximum}</vcpu>"
        f"<os><type arch='x86_64' machine='q35'>hvm</type>{boot}</os><features><acpi/></features>"
        f"<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='none'/>"
        f"<memballoon model='none'/>{devices}</devices></domain>"
    )
