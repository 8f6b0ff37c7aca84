"""A host in memory, as the service's ports see it: its guests are `SimulatedGuest`s."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autoscaler.backends.reached import Versions
from autoscaler.core.model import (
    DomainEvent,
    DomainEventKind,
    DomainId,
    DomainView,
    GuestVcpu,
    GuestVcpus,
    HostView,
    RunState,
    Sample,
)
from autoscaler.errors import AgentAbsent, BackendUnavailable, Conflict, Denied, DomainBusy, DomainGone
from autoscaler.service.host import Host
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest

NO_AGENT = AgentAbsent("no agent in this guest")


class SimulatedHost:
    """The three ports over a set of simulated guests."""

    def __init__(
        self, clock: SimulatedClock, guests: Sequence[SimulatedGuest] = (), *, label: str = "sim"
    ) -> None:
        self.label = label
        self.place = "here"
        """The machine that it is a connection to."""
        self.clock = clock
        self.guests = {guest.id: guest for guest in guests}
        self.cpus = 64
        self.pressure = 0.0
        """Share of the time in which the host's own tasks wait for a CPU."""
        self.down: str | None = None
        """Why the connection is down."""
        self.listeners: list[Callable[[DomainEvent], None]] = []
        self.forgotten: list[DomainId] = []
        self.hears_firmware = False
        """Whether it was ever asked to listen to what guests say of their slots."""

    def add(self, guest: SimulatedGuest) -> None:
        self.guests[guest.id] = guest
        self._tell(DomainEventKind.STARTED, guest.id)

    def stop(self, guest: SimulatedGuest) -> None:
        del self.guests[guest.id]
        self._tell(DomainEventKind.STOPPED, guest.id)

    def domains(self) -> Sequence[DomainView]:
        if self.down is not None:
            raise BackendUnavailable(self.down)
        for guest in self.guests.values():
            guest.advance()
        return [self._view(guest) for guest in self.guests.values()]

    def plug(self, domain: DomainId, *, expect: int, target: int) -> None:
        guest = self._guest(domain)
        if guest.plug_error is not None:
            raise guest.plug_error
        if guest.plugged != expect:
            raise Conflict(f"domain {guest.name} has {guest.plugged} vCPUs plugged, not {expect}")
        if target > guest.maximum:
            raise Denied(f"domain {guest.name} cannot have {target} vCPUs, its maximum is {guest.maximum}")
        guest.plug(target)
        if guest.plug_reply_lost is not None:
            raise guest.plug_reply_lost

    def unplug(self, domain: DomainId, *, expect: int, target: int) -> int | None:
        guest = self._guest(domain)
        guest.advance()
        if guest.unplug_error is not None:
            raise guest.unplug_error
        if guest.plugged <= target:
            return None
        if guest.plugged != expect:
            raise Conflict(f"domain {guest.name} has {guest.plugged} vCPUs plugged, not {expect}")
        if target < expect - 1 or max(guest.slots) == 0:
            raise Denied(f"domain {guest.name} cannot go to {target} vCPUs by giving one back")
        slot = guest.ask_back()
        if guest.unplug_reply_lost is not None:
            raise guest.unplug_reply_lost
        return slot

    def hear_firmware(self) -> None:
        self.hears_firmware = True

    def troubles(self) -> dict[str, str]:
        return {}

    def subscribe(self, listener: Callable[[DomainEvent], None]) -> None:
        self.listeners.append(listener)

    def close(self) -> None:
        self.listeners.clear()
        self.down = "the connection is closed"

    def view(self) -> HostView:
        return HostView(at_s=self.clock.now_s, cpus=self.cpus, pressure_ratio=self.pressure)

    def sample(self, domain: DomainView, *, pressure: bool = False) -> Sample:
        return self._answering(domain.id).sample(pressure=pressure)

    def vcpus(self, domain: DomainId) -> GuestVcpus:
        guest = self._answering(domain)
        guest.advance()
        return GuestVcpus(
            tuple(
                GuestVcpu(logical_id=number, online=number in guest.online, can_offline=number > 0)
                for number in sorted(guest.listed())
            )
        )

    def set_online(self, domain: DomainId, *, target: int) -> GuestVcpus:
        guest = self._answering(domain)
        guest.advance()
        while len(guest.online) > max(1, target):
            guest.online.discard(max(guest.online))
        for number in sorted(guest.listed()):
            if len(guest.online) < target and guest.onlines:
                guest.online.add(number)
        return self.vcpus(domain)

    def as_host(self) -> Host:
        return Host(
            hypervisor=self,
            probe=self,
            cpus=self,
            machine=self,
            place=self.place,
            forget=self.forgotten.append,
            versions=lambda _: Versions(qemu=None, libvirt=None, agent=None),
        )

    def _view(self, guest: SimulatedGuest) -> DomainView:
        ran_s, delayed_s = guest.threads_s()
        return DomainView(
            id=guest.id,
            name=guest.name,
            state=guest.state,
            plugged=guest.plugged,
            maximum=guest.maximum,
            at_s=self.clock.now_s,
            vcpu_time_s=ran_s,
            vcpu_delay_s=delayed_s,
            labels=guest.labels,
            job=guest.job,
            slots=frozenset(guest.slots) if guest.tells_slots else None,
            reports=guest.reports,
            descriptors=guest.descriptors,
            emulated=guest.emulated,
        )

    def _guest(self, domain: DomainId) -> SimulatedGuest:
        if self.down is not None:
            raise BackendUnavailable(self.down)
        if domain not in self.guests:
            raise DomainGone(f"domain {domain.uuid} does not run")
        return self.guests[domain]

    def _answering(self, domain: DomainId) -> SimulatedGuest:
        guest = self._guest(domain)
        if guest.state is RunState.PAUSED:
            raise DomainBusy(f"domain {guest.name} is paused")
        if guest.agent_error is not None:
            raise guest.agent_error
        return guest

    def _tell(self, kind: DomainEventKind, domain: DomainId) -> None:
        for listener in self.listeners:
            listener(DomainEvent(kind, domain))
