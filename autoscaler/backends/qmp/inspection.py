"""What one QEMU says of its guest's build, for whoever examines a domain. Nothing is changed.

Invariant: a question that this QEMU does not know costs no other: its answer is None.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from autoscaler.backends.qmp import replies
from autoscaler.backends.qmp.session import RefusedError
from autoscaler.backends.qmp.slots import can_go, in_slot_order

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from autoscaler.backends.qmp.identity import QemuIdentity
    from autoscaler.backends.qmp.session import QmpSession

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuSlot:
    """A place for a vCPU, or for a core of several."""

    vcpus: int
    plugged: bool
    removable: bool
    """It holds what was plugged while the guest ran; or is free, so that what it is given can go."""
    props: tuple[tuple[str, int], ...]
    """Topology ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuInspection:
    """All that QEMU told."""

    version: tuple[int, int, int]
    machine: str | None
    """The machine type, as ``pc-q35-7.2``."""
    emulated: bool | None
    """Whether the guest runs without KVM."""
    slots: tuple[QemuSlot, ...] | None
    """In the order of QEMU's own vCPU numbers; None: the machine type has no vCPU hot-plug."""
    agent_channel: bool
    """Whether there is a port for the guest agent."""
    affinity: tuple[frozenset[int], ...] | None
    """The host CPUs that each plugged vCPU may use; None: its threads cannot be seen from here."""


async def inspect(session: QmpSession, identity: QemuIdentity) -> QemuInspection:
    """Ask a connected QEMU, whose `identity` is known. The deadline is the caller's.

    Raises:
        LinkDownError: see `QmpSession.ask`.
    """
    machine = await _told(session, "qom-get", replies.TEXT, {"path": "/machine", "property": "type"})
    slots = await _told(session, "query-hotpluggable-cpus", replies.SLOTS)
    cpus = await session.ask("query-cpus-fast", replies.CPUS)
    return QemuInspection(
        version=session.version,
        machine=None if machine is None else machine.removesuffix("-machine"),
        emulated=identity.emulated,
        slots=None if slots is None else tuple(map(_slot, in_slot_order(slots))),
        agent_channel=bool(identity.agent_ports),
        affinity=_affinity(session.peer_pid, [cpu.thread_id for cpu in cpus]),
    )


async def _told(
    session: QmpSession, command: str, shape: TypeAdapter[_T], arguments: dict[str, object] | None = None
) -> _T | None:
    try:
        return await session.ask(command, shape, arguments)
    except RefusedError:
        return None


def _slot(slot: replies.Slot) -> QemuSlot:
    return QemuSlot(
        vcpus=slot.vcpus_count,
        plugged=slot.qom_path is not None,
        removable=slot.qom_path is None or can_go(slot),
        props=tuple(sorted(slot.props.items())),
    )


def _affinity(pid: int, thread_ids: list[int]) -> tuple[frozenset[int], ...] | None:
    task = Path(f"/proc/{pid}/task")
    try:
        # The path holds the check: a thread of another process is not below this process's task folder.
        if not all((task / str(thread_id)).exists() for thread_id in thread_ids):
            return None
        return tuple(frozenset(os.sched_getaffinity(thread_id)) for thread_id in thread_ids)
    except OSError:
        return None
