"""A guest in memory that behaves: it saturates, lists a new vCPU late, refuses, hangs, reboots.

Time is a number that the test moves; nothing sleeps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, uuid5

from autoscaler.core.acpi import SlotReport, SlotReports
from autoscaler.core.model import CpuSource, Descriptors, DomainId, RunState, Sample
from autoscaler.errors import AutoscalerError

Ids = set[int]
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
