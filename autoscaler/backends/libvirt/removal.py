"""How libvirt is asked to take a vCPU away: which one would go, and by which flags.

Up to version 12.3 libvirt waits 5 s for the guest and then reports an error, though its request stands and
the guest may follow later. From 12.4 on it can be told not to wait.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.errors import Denied

if TYPE_CHECKING:
    from autoscaler.core.named import Named

_WITHOUT_WAITING = 12_004_000
"""The libvirt version from which its QEMU driver can be asked for a removal without waiting."""


def removal_flags(connection: libvirt.virConnect) -> int:
    """The flags of a removal; a daemon that is older than its client does not know the newer ones.

    Raises:
        libvirtError: libvirt did not tell its version or its driver.
    """
    live: int = libvirt.VIR_DOMAIN_AFFECT_LIVE
    asynchronous: int = getattr(libvirt, "VIR_DOMAIN_VCPU_ASYNC_UNPLUG", 0)
    if asynchronous and connection.getType() == "QEMU" and connection.getLibVersion() >= _WITHOUT_WAITING:
        return live | asynchronous
    return live


def highest_removable(domain: libvirt.virDomain, named: Named, *, plugged: int) -> int:
    """The number of the highest plugged vCPU that can go; libvirt takes that one.

    Raises:
        Denied: none can.
        libvirtError: libvirt did not tell.
    """
    described = ET.fromstring(domain.XMLDesc(0))  # noqa: S314 - written by libvirt
    listed = described.findall("vcpus/vcpu")
    if not listed:
        return plugged - 1  # A driver that tells no vCPU from another.
    can_go = [
        int(vcpu.get("id", "-1"))
        for vcpu in listed
        if vcpu.get("enabled") == "yes" and vcpu.get("hotpluggable") == "yes"
    ]
    if not can_go:
        raise Denied(
            f"no vCPU of domain {named} can be taken away: `{named.virsh('edit')}`, give it <vcpus> with "
            f"hotpluggable='yes' for all but vCPU 0, then stop and start it; or set reclaim: offline"
        )
    return max(can_go)
