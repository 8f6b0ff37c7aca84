"""A host in memory whose guests behave: they saturate, list a new vCPU late, refuse, hang, reboot.

Time is a number that the test moves; nothing sleeps. `Simulation` drives the real controller over it, letting
work take as long as the guest says.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from typing import TypeVar
from uuid import NAMESPACE_URL, uuid5
from weakref import finalize

from prometheus_client import CollectorRegistry

from autoscaler.backends.reached import Versions
from autoscaler.core.acpi import SlotReport, SlotReports
from autoscaler.core.model import (
    CpuSource,
    Descriptors,
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
from autoscaler.core.policy import Policy, PolicySet
from autoscaler.errors import (
    AgentAbsent,
    AutoscalerError,
    BackendUnavailable,
    Conflict,
    Denied,
    DomainBusy,
    DomainGone,
)
from autoscaler.ports import Clock
from autoscaler.service.controller import Controller
from autoscaler.service.fleet import Fleet
from autoscaler.service.host import Host
from autoscaler.service.instruments import Instruments
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.lanes import Lane, Submit, outcome_of
from autoscaler.service.recorder import Recorder
from autoscaler.service.settings import Config, HostLimits
from autoscaler.service.snapshot import DomainSnapshot, Snapshot
from autoscaler.service.tape import Tape, TapedClock, TapedSubmit, start_of
from autoscaler.service.taped import TapedController, TapedJournal

T = TypeVar("T")

Ids = set[int]
FLUSH_EVERY_S = 60.0
EPOCH_S = 1_800_000_000.0


class SimulatedClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.wall_offset_s = 0.0
        """By how much somebody has set the wall clock since."""

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return EPOCH_S + self.now_s + self.wall_offset_s


@dataclass
class SimulatedGuest:
    """One guest and its QEMU; every field may be changed while it runs."""

    name: str
    clock: SimulatedClock
    plugged: int = 1
    maximum: int = 4
    demand: float = 0.2
    lists_after_s: float = 0.05
    """From a plug until the guest's kernel lists the vCPU."""
    onlines_itself: bool = False
    lists: bool = True
    onlines: bool = True
    stolen: float = 0.0
    """Share of the online vCPUs' time that the host withholds."""
    state: RunState = RunState.RUNNING
    job: str = ""
    """The job that holds the domain."""
    agent_error: AutoscalerError | None = None
    """What every call to the agent raises."""
    plug_error: AutoscalerError | None = None
    """What a plug raises, having done nothing."""
    plug_reply_lost: AutoscalerError | None = None
    """What a plug raises, having done it."""
    psi: bool = True
    """Whether the guest's kernel tells pressure."""
    labels: Mapping[str, str] = field(default_factory=dict)
    agent_takes_s: float = 0.01
    claims: float | None = None
    """What the guest says that it uses, where it lies; None: what it does."""
    threads_seen: bool = True
    """Whether the host sees its vCPU threads."""
    connection: str = "sim"
    host_only: bool = False
    plugs: list[int] = field(default_factory=list)
    """The targets of every plug that QEMU carried out."""
    ejects_after_s: float = 0.2
    """From a request to give a vCPU back until it is gone; infinite: never."""
    heard_of_late: bool = False
    """Whether its hypervisor hears that a vCPU is gone at the next plug only, or when it asks for it anew."""
    refuses_removal: bool = False
    """Whether the guest answers such a request by a refusal."""
    tells_slots: bool = True
    """Whether the host's view says which slots are filled."""
    unplug_error: AutoscalerError | None = None
    """What an unplug raises, having done nothing."""
    unplug_reply_lost: AutoscalerError | None = None
    """What an unplug raises, having asked the guest."""
    descriptors: Descriptors | None = None
    emulated: bool | None = False
    """Whether its QEMU does without KVM; None: its host does not tell."""
    unplugs: list[int] = field(default_factory=list)
    """The slots that were asked for, in order."""

    def __post_init__(self) -> None:
        self.slots: Ids = set(range(self.plugged))
        self.asked: Ids = set()
        """Slots whose vCPUs were asked for and are there still."""
        self._unheard: Ids = set()
        """Slots that the guest has emptied and the hypervisor still counts."""
        self.reports = SlotReports()
        self._ejects_at_s: dict[int, float] = {}
        self.online: Ids = set(range(self.plugged))
        self._listed_at_s = dict.fromkeys(range(self.plugged), self.clock.now_s)
        self._busy_s = self._steal_s = self._waited_s = 0.0
        self._ran_s = self._delayed_s = 0.0
        self._boot_s = self._since_s = self.clock.now_s

    @property
    def id(self) -> DomainId:
        return DomainId(self.connection, str(uuid5(NAMESPACE_URL, self.name)))

    def advance(self) -> None:
        """Let the time since the last call have happened."""
        now_s, span_s = self.clock.now_s, self.clock.now_s - self._since_s
        if self.state is RunState.RUNNING:
            can = len(self.online) * (1 - self.stolen)
            self._busy_s += min(self.demand if self.claims is None else self.claims, can) * span_s
            self._ran_s += min(self.demand, can) * span_s
            self._delayed_s += len(self.online) * self.stolen * span_s
            self._waited_s += span_s if self.demand > can else 0.0
            self._steal_s += len(self.online) * self.stolen * span_s
        for slot in [slot for slot, at_s in self._ejects_at_s.items() if at_s <= now_s]:
            if self.state is RunState.RUNNING:
                self.eject(slot)
        if not self.heard_of_late:
            self._hear_of_ejects()
        if self.onlines_itself:
            self.online |= self.listed()
        self._since_s = now_s

    def set(self, **changes: object) -> None:
        """Change fields from now on."""
        self.advance()
        for name, value in changes.items():
            assert hasattr(self, name), name
            setattr(self, name, value)

    def listed(self) -> Ids:
        """The vCPUs that the guest's kernel knows of."""
        return {number for number, at_s in self._listed_at_s.items() if at_s <= self.clock.now_s}

    def plug(self, target: int) -> None:
        self.advance()
        for number in range(self.maximum):
            if number not in self.slots and len(self.slots) < target:
                self.slots.add(number)
                self._listed_at_s[number] = self.clock.now_s + (
                    self.lists_after_s if self.lists else float("inf")
                )
        self._hear_of_ejects()
        self.plugs.append(target)

    def ask_back(self) -> int:
        """Be asked for the vCPU of the highest slot; returns that slot."""
        self.advance()
        slot = max(self.slots)
        self.unplugs.append(slot)
        if slot in self._unheard:
            self._hear_of_ejects()
            return slot
        self.asked.add(slot)
        if self.refuses_removal:
            self.report(slot, 0x82)
        else:
            self._ejects_at_s[slot] = self.clock.now_s + self.ejects_after_s
            self.report(slot, 0x84)
        return slot

    def report(self, slot: int, status: int) -> None:
        """Have the guest's firmware say how a removal stands."""
        report = SlotReport(source=0x103, status=status, at_s=self.clock.now_s)
        last = {**self.reports.last, slot: report}
        self.reports = SlotReports(last=last, taken=self.reports.taken + 1, dropped=self.reports.dropped)

    def eject(self, slot: int) -> None:
        """Let a vCPU go, asked or not; one that was online is taken offline first, as kernels do."""
        self._ejects_at_s.pop(slot, None)
        self.asked.discard(slot)
        self.online.discard(slot)
        self._listed_at_s.pop(slot, None)
        self._unheard.add(slot)
        if not self.heard_of_late:
            self._hear_of_ejects()

    def _hear_of_ejects(self) -> None:
        self.slots -= self._unheard
        self._unheard.clear()
        self.plugged = len(self.slots)

    def reboot(self) -> None:
        """Boot anew: every plugged vCPU comes up online, every counter starts at nothing."""
        self.advance()
        self._listed_at_s = dict.fromkeys(self.slots - self._unheard, self.clock.now_s)
        self.online = self.slots - self._unheard
        self._busy_s = self._steal_s = self._waited_s = 0.0
        self._boot_s = self.clock.now_s

    def migrate(self) -> None:
        """Go on in another QEMU: its vCPU threads have used nothing yet."""
        self.advance()
        self._ran_s = self._delayed_s = 0.0

    def threads_s(self) -> tuple[float, float] | tuple[None, None]:
        """What its vCPU threads have run and waited, in the hundredths that the host counts in."""
        self.advance()
        return (
            (math.floor(100 * self._ran_s) / 100, math.floor(100 * self._delayed_s) / 100)
            if self.threads_seen
            else (None, None)
        )

    def sample(self, *, pressure: bool = False) -> Sample:
        self.advance()
        wanting = max(0, round(self.demand))
        return Sample(
            at_s=self.clock.now_s,
            source=CpuSource.HOST if self.host_only else CpuSource.PROC_STAT,
            busy_s=self._busy_s,
            steal_s=self._steal_s,
            online=frozenset(self.slots) if self.host_only else frozenset(self.online),
            runnable=None if self.host_only else wanting,
            boot_s=self._boot_s,
            pressure_s=self._waited_s if pressure and self.psi and not self.host_only else None,
        )


class SimulatedHost:
    """The three ports over a set of simulated guests."""

    def __init__(
        self, clock: SimulatedClock, guests: Sequence[SimulatedGuest] = (), *, label: str = "sim"
    ) -> None:
        self.label = label
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
            place="here",
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


ROOMY = HostLimits(operations_per_minute=6000)
"""A host that never stands in the way."""

NO_AGENT = AgentAbsent("no agent in this guest")


class Simulation:
    """The real controller over a simulated host, with a tick every `interval_s`."""

    def __init__(  # noqa: PLR0913 - each is one thing that some story has otherwise
        self,
        host: SimulatedHost,
        policies: Sequence[Policy],
        *,
        folder: Path,
        interval_s: float = 1.0,
        limits: HostLimits = ROOMY,
        beside: Sequence[SimulatedHost] = (),
        keep_s: float = inf,
        tape_bytes: int = 0,
        read: bool = True,
    ) -> None:
        """Put it together.

        `beside`: further connections to the same machine; `keep_s` and `tape_bytes`: as the journal's;
        `read`: whether anybody reads snapshots.
        """
        self.host = host
        self.hosts = (host, *beside)
        self.clock = host.clock
        self.interval_s = interval_s
        self.snapshots: list[Snapshot] = []
        self.registry = CollectorRegistry()
        self.journal = SqliteJournal(folder / "journal.sqlite", keep_s=keep_s, history_s=keep_s)
        finalize(self, self.journal._db.close)
        config = Config(connections=(), host=limits, interval_s=interval_s)
        policy_set = PolicySet(policies=tuple(policies), digest="test")
        hosts = [host.as_host() for host in self.hosts]
        clock: Clock = self.clock
        submit: Submit = self._submit
        tape = Tape(self.journal, most_bytes=tape_bytes)
        if tape_bytes:
            tape.put("start", start_of(hosts, policy_set, config))
            clock, submit = TapedClock(clock, tape), TapedSubmit(submit, tape)
        self.recorder = Recorder(TapedJournal(self.journal, tape) if tape_bytes else self.journal)
        fleet = Fleet(hosts, policies=policy_set, limits=limits, recorder=self.recorder, clock=clock)
        self.controller = Controller(
            fleet,
            recorder=self.recorder,
            clock=clock,
            submit=submit,
            instruments=Instruments(self.registry),
            publish=self.snapshots.append if read else None,
            interval_s=interval_s,
        )
        self.face = TapedController(self.controller, tape) if tape_bytes else self.controller
        """What is called, so that the calls are on the tape where there is one."""
        self.hung: set[str] = set()
        """Names of guests whose agent never comes back with an answer."""
        self._number = itertools.count()
        self._pending: list[tuple[float, int, Callable[[], None]]] = []
        self._next_tick_s = self.clock.now_s
        self._next_flush_s = self.clock.now_s + FLUSH_EVERY_S

    @property
    def snapshot(self) -> Snapshot:
        return self.snapshots[-1]

    def domain(self, name: str) -> DomainSnapshot:
        return next(domain for domain in self.snapshot.domains if domain.view.name == name)

    def run(self, seconds: float) -> None:
        """Let this much time pass, everything that is due in it done at its time."""
        end_s = self.clock.now_s + seconds
        while True:
            wake_s = self.face.settle()
            due_s = min(
                self._next_tick_s,
                self._next_flush_s,
                wake_s if wake_s is not None else float("inf"),
                self._pending[0][0] if self._pending else float("inf"),
            )
            if due_s > end_s:
                break
            self.clock.now_s = max(self.clock.now_s, due_s)
            if self._pending and self._pending[0][0] <= self.clock.now_s:
                heapq.heappop(self._pending)[2]()
            elif self._next_tick_s <= self.clock.now_s:
                self._next_tick_s += self.interval_s
                self.face.tick()
            elif self._next_flush_s <= self.clock.now_s:
                self._next_flush_s += FLUSH_EVERY_S
                self.face.flush()
        self.clock.now_s = end_s

    def _submit(
        self,
        lane: Lane,
        work: Callable[[], T],
        then: Callable[[T | AutoscalerError], None],
        *,
        host: str = "",  # noqa: ARG002 - no pool is ever full
    ) -> None:
        guest = self._guest_of(work)
        takes_s = 0.001
        if guest is not None and lane is not Lane.SWEEP:
            takes_s = float("inf") if guest.name in self.hung else guest.agent_takes_s
        self._at(takes_s, lambda: then(outcome_of(work)))

    def _at(self, after_s: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._pending, (self.clock.now_s + after_s, next(self._number), call))

    def _guest_of(self, work: Callable[[], object]) -> SimulatedGuest | None:
        """The guest that a piece of work is about, by its arguments."""
        for argument in work.args if isinstance(work, partial) else ():
            domain = argument.id if isinstance(argument, DomainView) else argument
            for host in self.hosts:
                if isinstance(domain, DomainId) and domain in host.guests:
                    return host.guests[domain]
        return None
