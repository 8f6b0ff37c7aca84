"""What to tell a QEMU so that its guest has more vCPUs, or fewer: looked up, checked, not sent yet.

Invariant: planning changes nothing, and whatever is planned leads to exactly the target that was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from autoscaler.backends.qmp import replies
from autoscaler.backends.qmp.session import RefusedError
from autoscaler.backends.qmp.slots import cpu_adds, device_adds, device_del
from autoscaler.core.model import RunState
from autoscaler.errors import Conflict, Denied, DomainBusy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.backends.qmp.identity import QemuIdentity
    from autoscaler.backends.qmp.replies import Cpu, Slot
    from autoscaler.backends.qmp.session import QmpSession

_STATES = {
    "running": RunState.RUNNING,
    "paused": RunState.PAUSED,
    "prelaunch": RunState.PAUSED,
    "io-error": RunState.IO_ERROR,
    "watchdog": RunState.PAUSED,
    "debug": RunState.PAUSED,
}
"""QEMU's word for what it does; any other is `RunState.OTHER`."""

_PASSING = ("migrat", "unplug request for not supported device type")
"""In QEMU's words where it refuses for now only: a migration; a guest whose ACPI is not up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A command, and its arguments for each time that it is to be sent."""

    command: str
    orders: Sequence[Mapping[str, object]] = ()
    slot: int | None = None
    """The slot that is asked for, where a vCPU is to go."""


class Planner(Protocol):
    """Plans one change of one QEMU."""

    async def __call__(self, session: QmpSession, identity: QemuIdentity, name: str, /) -> Change:
        """Look, and say what to send.

        Raises:
            Conflict, Denied, DomainBusy: it is not to be; see `autoscaler.errors`.
            RefusedError, LinkDownError: QEMU could not be asked.
        """
        ...


def run_state(status: str) -> RunState:
    """What QEMU's word for its state means."""
    return _STATES.get(status, RunState.OTHER)


def is_passing(refusal: str) -> bool:
    """Whether QEMU refuses for now only: it has one error class for all, so its text must tell."""
    return any(words in refusal for words in _PASSING)


async def adding(
    session: QmpSession, identity: QemuIdentity, name: str, /, *, expect: int, target: int
) -> Change:
    """Plan to add vCPUs until `target` are plugged."""
    maximum = identity.maximum
    if maximum is None:
        raise Denied(f"domain {name} cannot be given vCPUs: its machine type has no vCPU hot-plug")
    if target > maximum:
        raise Denied(
            f"domain {name} has a maximum of {maximum} vCPUs and {target} were asked for: start its QEMU "
            f"with a higher maxcpus in -smp, or lower the policy's max"
        )
    slots, cpus = await _look(session, name, "no vCPU is added")
    if len(cpus) != expect:
        raise _conflict(name, cpus, expect)
    count = max(0, target - expect)
    try:
        if identity.uses_cpu_add:
            used = {cpu.cpu_index for cpu in cpus}
            return Change(command="cpu-add", orders=cpu_adds(used, maximum=maximum, count=count))
        return Change(command="device_add", orders=device_adds(slots, count))
    except Denied as error:
        raise Denied(f"domain {name} cannot be given {target} vCPUs: {error}") from error


async def removal(
    session: QmpSession, identity: QemuIdentity, name: str, /, *, expect: int, target: int
) -> Change:
    """Plan to have one vCPU given back, so that `target` are left."""
    if identity.maximum is None:
        raise Denied(f"domain {name} cannot give a vCPU back: its machine type has no vCPU hot-plug")
    slots, cpus = await _look(session, name, "no vCPU is taken away")
    if len(cpus) <= target:
        return Change(command="device_del")
    if len(cpus) != expect:
        raise _conflict(name, cpus, expect)
    try:
        slot, arguments = device_del(slots, expect - target)
    except Denied as error:
        raise Denied(f"domain {name} cannot go to {target} vCPUs: {error}") from error
    if not await _listens(session):
        raise DomainBusy(
            f"the guest of domain {name} does not listen to ACPI yet, so it cannot give a vCPU back: if it "
            f"has booted, its kernel needs ACPI CPU hotplug (CONFIG_HOTPLUG_CPU)"
        )
    return Change(command="device_del", orders=(arguments,), slot=slot)


async def _look(session: QmpSession, name: str, but: str) -> tuple[Sequence[Slot], Sequence[Cpu]]:
    status = await session.ask("query-status", replies.STATUS)
    if run_state(status.status) is RunState.OTHER:
        raise DomainBusy(f"domain {name} is in the state {status.status!r}: {but} until it runs")
    slots = await session.ask("query-hotpluggable-cpus", replies.SLOTS)
    # Counted after the slots were listed: whoever fills one in between is seen, and QEMU lets nobody fill one
    # that was filled since.
    return slots, await session.ask("query-cpus-fast", replies.CPUS)


async def _listens(session: QmpSession) -> bool:
    """Whether the guest's ACPI can hear a request; True where there is no ACPI to ask about."""
    try:
        statuses = await session.ask("query-acpi-ospm-status", replies.OSPM_STATUS)
    except RefusedError:
        return True
    return bool(statuses)


def _conflict(name: str, cpus: Sequence[Cpu], expect: int) -> Conflict:
    return Conflict(f"domain {name} has {len(cpus)} vCPUs plugged, not {expect}: look again")
