"""What QEMU said of itself as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.doctor.facts import Build, Placement, Slot, Topology

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.backends.qmp.inspection import QemuInspection, QemuSlot

_CELL = "node-id"


def build_of(qemu: QemuInspection, *, channel: bool, connected: bool | None, cpus: frozenset[int]) -> Build:
    """How a domain is put together.

    Args:
        qemu: what its QEMU said.
        channel: whether its agent can be reached at all.
        connected: whether anything in the guest has the agent channel open; None: not told.
        cpus: all CPUs of the host, for a vCPU that may use every one is bound to none.
    """
    slots = qemu.slots
    started = None if slots is None else sum(slot.vcpus for slot in slots if not slot.removable)
    affinity = () if qemu.affinity is None else qemu.affinity
    return Build(
        starts_with=started,
        next_maximum=None,
        machine=qemu.machine,
        emulated=qemu.emulated,
        slots=None
        if slots is None
        else tuple(Slot(vcpus=it.vcpus, plugged=it.plugged, removable=it.removable) for it in slots),
        hotplug=slots is not None,
        topology=None if slots is None else _topology(slots),
        placement=Placement(
            pins={number: mask for number, mask in enumerate(affinity) if cpus and not mask >= cpus},
            cells=len({value for slot in slots or () for key, value in slot.props if key == _CELL}),
        ),
        channel=channel,
        connected=connected,
        qemu=qemu.version if any(qemu.version) else None,
    )


def _topology(slots: Sequence[QemuSlot]) -> Topology | None:
    levels = {
        level: len({value for slot in slots for key, value in slot.props if key == f"{level}-id"})
        for level in ("socket", "die", "cluster", "core", "thread")
    }
    if not levels["socket"] or not levels["core"]:
        return None
    return Topology(
        sockets=levels["socket"],
        dies=levels["die"] or 1,
        clusters=levels["cluster"] or 1,
        cores=levels["core"],
        threads=levels["thread"] or 1,
    )
