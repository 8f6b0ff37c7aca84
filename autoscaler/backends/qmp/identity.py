"""Who answers on a QMP socket: asked once after connecting, since none of it changes while that QEMU lives.

Invariant: a QEMU that libvirt manages is never worked on through a side door. Its vCPUs have one writer, and
that is libvirt, whose own count would silently turn wrong.
"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.backends.qmp import replies
from autoscaler.backends.qmp.session import LinkDownError, RefusedError
from autoscaler.core.model import DomainId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.backends.qmp.guests import QmpGuest
    from autoscaler.backends.qmp.session import QmpSession

_LIBVIRT_MONITOR = "charmonitor"
"""What libvirt calls the character device of its own monitor, in every QEMU that it starts."""
_AGENT_PORT = "org.qemu.guest_agent.0"
_PERIPHERALS = ("/machine/peripheral", "/machine/peripheral-anon")
"""Where QEMU keeps the devices that were given an id, and those that were not."""
_LAST_WITHOUT_CPU_ADD = (5, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuIdentity:
    """What one QEMU process is, for as long as it lives."""

    domain: DomainId
    version: str
    maximum: int | None
    """vCPUs that its slots hold; None: its machine type has no vCPU hot-plug."""
    uses_cpu_add: bool
    """vCPUs are added by number with ``cpu-add`` (QEMU before 5.2) instead of by slot with ``device_add``."""
    agent_ports: Mapping[str, str]
    """The guest agent's virtio-serial ports: device id to the label of its character device."""
    emulated: bool | None
    """Whether the guest runs without KVM; None: this QEMU does not tell."""


async def identify(session: QmpSession, guest: QmpGuest, *, host: str) -> QemuIdentity:
    """Ask a freshly connected QEMU who it is.

    A QEMU without a UUID of its own gets one made from its QMP address, so it stays the same as long as the
    address does.

    Raises:
        LinkDownError: it is not to be worked on, or hung up.
        RefusedError: it refuses to be asked.
    """
    for chardev in await session.ask("query-chardev", replies.CHARDEVS):
        if chardev.label == _LIBVIRT_MONITOR:
            raise LinkDownError(
                f"libvirt manages the QEMU at {guest.qmp} (it has libvirt's monitor {_LIBVIRT_MONITOR!r}): "
                f"take {guest.name} out of the QMP guests, and use the libvirt connection whose "
                f"`virsh -c URI list` shows it"
            )
    major, minor, micro = session.version
    return QemuIdentity(
        domain=DomainId(host, await _uuid(session, guest)),
        version=f"{major}.{minor}.{micro}",
        maximum=await _maximum(session),
        uses_cpu_add=(major, minor) < _LAST_WITHOUT_CPU_ADD and await _has_cpu_add(session),
        agent_ports=await _agent_ports(session),
        emulated=await _is_emulated(session),
    )


async def _uuid(session: QmpSession, guest: QmpGuest) -> str:
    stated = (await session.ask("query-uuid", replies.UUID)).uuid
    try:
        own = uuid.UUID(stated)
    except ValueError as error:
        raise LinkDownError(
            f"QEMU at {guest.qmp} states {stated[:64]!r} as its UUID, which is none"
        ) from error
    if not own.int:
        return guest.uuid or str(uuid.uuid5(uuid.NAMESPACE_URL, f"qmp+{guest.qmp}"))
    if guest.uuid not in (None, str(own)):
        raise LinkDownError(
            f"the QEMU at {guest.qmp} has the UUID {own}, but {guest.name} is configured with {guest.uuid}: "
            f"another guest runs there; correct the address or the UUID"
        )
    return str(own)


async def _maximum(session: QmpSession) -> int | None:
    try:
        slots = await session.ask("query-hotpluggable-cpus", replies.SLOTS)
    except RefusedError:
        return None
    return sum(slot.vcpus_count for slot in slots)


async def _has_cpu_add(session: QmpSession) -> bool:
    commands = await session.ask("query-commands", replies.NAMES)
    return any(command.name == "cpu-add" for command in commands)


async def _is_emulated(session: QmpSession) -> bool | None:
    try:
        return not (await session.ask("query-kvm", replies.KVM)).enabled
    except RefusedError:
        return None


async def _agent_ports(session: QmpSession) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder in _PERIPHERALS:
        # Refused: there is no such folder, or a device left while it was looked at.
        with contextlib.suppress(RefusedError):
            for device in await session.ask("qom-list", replies.NAMES, {"path": folder}):
                if device.type == "child<virtserialport>":
                    path = f"{folder}/{device.name}"
                    if await _property(session, path, "name") == _AGENT_PORT:
                        found[device.name] = await _property(session, path, "chardev")
    return found


async def _property(session: QmpSession, path: str, name: str) -> str:
    return await session.ask("qom-get", replies.TEXT, {"path": path, "property": name})
