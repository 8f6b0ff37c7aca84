"""The values that travel through one tick. Frozen, so that a snapshot of them can be read by any thread.

Invariant: what was not seen is a type of its own (`Missing`, ``None`` with a stated meaning), never a zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from autoscaler.core.acpi import NO_REPORTS, SlotReports
from autoscaler.core.named import Named
from autoscaler.core.owner import Owner

MOST_VCPUS: Final = 4096
"""No hypervisor gives one guest more."""
BOUNDLESS_VCPUS: Final = 1 << 20
"""A bound that binds nothing: no host runs so many, no guest can want them."""


class DomainId(NamedTuple):
    """What identifies a domain for ever: the host connection's label and the domain's UUID.

    Names can change and repeat across hosts, so nothing is keyed by them. A tuple, for it is hashed a score
    of times at each step of each domain.
    """

    host: str
    """Label of the connection, as in the configuration (``qemu:///system``)."""
    uuid: str
    """Canonical lower-case UUID."""


class RunState(StrEnum):
    """What the hypervisor says a domain is doing."""

    RUNNING = "running"
    PAUSED = "paused"
    IO_ERROR = "io-error"
    """Paused by QEMU: a disk's image cannot be read or written, as on a full file system."""
    OTHER = "other"
    """In transition (shutting down, crashed, suspended, being migrated): looked at, never touched."""


_NO_LABELS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """The file descriptors of one QEMU process."""

    open: int
    limit: int
    """The most that it may have open at once (RLIMIT_NOFILE)."""


@dataclass(slots=True, init=False, unsafe_hash=True)
class DomainView:
    """What the host side knows of one active domain at one moment."""

    id: Final[DomainId]
    name: Final[str]
    state: Final[RunState]
    plugged: Final[int]
    """vCPUs that exist in QEMU."""
    maximum: Final[int]
    """The domain's maxcpus: no change of the running guest goes beyond it."""
    at_s: Final[float]
    """`Clock.monotonic_s` when this began to be read: what happened later may not be in it."""
    vcpu_time_s: Final[float | None]
    """CPU seconds that all vCPU threads have used since they started; None: the backend cannot see them."""
    vcpu_delay_s: Final[float | None]
    """Seconds that runnable vCPU threads waited for a host CPU: the guest's steal. None: not visible."""
    labels: Final[Mapping[str, str]]
    """What the domain's owner wrote into its metadata for us; policies match by it."""
    claimed_by: Final[Owner | None]
    """The program that runs the domain, and that its connection does not adopt from: no policy governs it."""
    job: Final[str]
    """The job that holds it, in a word (``migration``): nothing is begun meanwhile. Empty: none does."""
    slots: Final[frozenset[int] | None]
    """Numbers of the slots that hold a vCPU; None: the backend does not tell."""
    reports: Final[SlotReports]
    """What the guest's firmware said of its slots."""
    descriptors: Final[Descriptors | None]
    """Of its QEMU; None: not visible."""
    emulated: Final[bool | None]
    """Whether its QEMU does without KVM; None: the backend does not tell."""

    def __init__(  # noqa: PLR0913 - its fields
        self,
        *,
        id: DomainId,  # noqa: A002 - so is the field called
        name: str,
        state: RunState,
        plugged: int,
        maximum: int,
        at_s: float,
        vcpu_time_s: float | None = None,
        vcpu_delay_s: float | None = None,
        labels: Mapping[str, str] = _NO_LABELS,
        claimed_by: Owner | None = None,
        job: str = "",
        slots: frozenset[int] | None = None,
        reports: SlotReports = NO_REPORTS,
        descriptors: Descriptors | None = None,
        emulated: bool | None = None,
    ) -> None:
        self.id = id
        self.name = name
        self.state = state
        self.plugged = plugged
        self.maximum = maximum
        self.at_s = at_s
        self.vcpu_time_s = vcpu_time_s
        self.vcpu_delay_s = vcpu_delay_s
        self.labels = labels
        self.claimed_by = claimed_by
        self.job = job
        self.slots = slots
        self.reports = reports
        self.descriptors = descriptors
        self.emulated = emulated

    @property
    def named(self) -> Named:
        """What sentences and commands call it."""
        return Named(*self.id, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """What is known of a host itself at one moment."""

    at_s: float
    """`Clock.monotonic_s` when this was read."""
    cpus: int
    """Online logical CPUs."""
    pressure_ratio: float | None = None
    """Share of the last 10 s in which some task of the host waited for a CPU; None: not visible."""


class CpuSource(StrEnum):
    """The rung of the probe ladder that a sample came from, best first."""

    PROC_STAT = "proc-stat"
    """/proc/stat read by guest-file-open, -read, -close."""
    CPUSTATS = "guest-get-cpustats"
    EXEC = "guest-exec"
    """/proc/stat read by running cat in the guest."""
    HOST = "host"
    """The vCPU threads' own CPU time; the guest says nothing."""


@dataclass(slots=True, init=False, unsafe_hash=True)
class Sample:
    """Cumulative counters of one guest, as read at one moment."""

    at_s: Final[float]
    """`Clock.monotonic_s` when the reply arrived."""
    source: Final[CpuSource]
    busy_s: Final[float]
    """vCPU-seconds since boot in user, nice, system, irq and softirq."""
    steal_s: Final[float]
    """vCPU-seconds since boot in which the guest wanted to run and the host did not let it."""
    online: Final[frozenset[int]]
    """Logical ids of the vCPUs that the guest's kernel runs; for `CpuSource.HOST` the plugged ones."""
    runnable: Final[int | None]
    """Tasks that want a CPU at this instant, the reader itself excluded; None: the source does not say."""
    boot_s: Final[float | None]
    """The guest's boot time (its own wall clock); another value means another boot. None: not said."""
    pressure_s: Final[float | None]
    """Seconds since boot in which some task waited for a CPU (PSI ``some``); None: not asked or not said."""
    detail: Final[str]
    """For `CpuSource.HOST`: one sentence why the guest itself was not the source, and what to do."""

    def __init__(  # noqa: PLR0913 - its fields
        self,
        *,
        at_s: float,
        source: CpuSource,
        busy_s: float,
        steal_s: float,
        online: frozenset[int],
        runnable: int | None = None,
        boot_s: float | None = None,
        pressure_s: float | None = None,
        detail: str = "",
    ) -> None:
        self.at_s = at_s
        self.source = source
        self.busy_s = busy_s
        self.steal_s = steal_s
        self.online = online
        self.runnable = runnable
        self.boot_s = boot_s
        self.pressure_s = pressure_s
        self.detail = detail


class MissingReason(StrEnum):
    """Why there is no sample. A closed set: these become metric labels."""

    AGENT_ABSENT = "agent-absent"
    """The domain has no agent channel, or nothing in the guest has it open."""
    AGENT_BLOCKED = "agent-blocked"
    """The agent answers but refuses every command that would tell CPU load."""
    AGENT_UNRESPONSIVE = "agent-unresponsive"
    AGENT_LEFT_ALONE = "agent-left-alone"
    """The agent failed too often in a row; it is asked again after a while."""
    AGENT_NONSENSE = "agent-nonsense"
    """The reply broke the protocol, or its bounds, or cannot be true."""
    BACKEND_UNAVAILABLE = "backend-unavailable"
    DOMAIN_GONE = "domain-gone"
    NOT_RUNNING = "not-running"
    FROZEN = "frozen"
    """The guest's filesystems are frozen: its agent answers, and does next to nothing until they thaw."""
    LATE = "late"
    """The probe had not come back when the tick was evaluated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A probe that gave no sample, and why."""

    at_s: float
    reason: MissingReason
    detail: str
    """One sentence for the administrator: what is wrong, on what, and what to do."""


Observation = Sample | Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestVcpu:
    """One vCPU as the guest's kernel lists it."""

    logical_id: int
    online: bool
    can_offline: bool


@dataclass(frozen=True, slots=True)
class GuestVcpus:
    """Every vCPU that the guest's kernel sees, by rising logical id."""

    vcpus: tuple[GuestVcpu, ...] = field(default=())

    @property
    def present(self) -> int:
        """VCPUs the guest's kernel knows of, online or not."""
        return len(self.vcpus)

    @property
    def online(self) -> int:
        """VCPUs the guest's kernel runs."""
        return sum(vcpu.online for vcpu in self.vcpus)

    @property
    def online_ids(self) -> frozenset[int]:
        """Their logical ids."""
        return frozenset(vcpu.logical_id for vcpu in self.vcpus if vcpu.online)


class DomainEventKind(StrEnum):
    """What a backend can report between two sweeps."""

    STARTED = "started"
    STOPPED = "stopped"
    REBOOTED = "rebooted"
    AGENT_CONNECTED = "agent-connected"
    """Something in the guest opened its agent channel."""
    CHANGED = "changed"
    """Paused, resumed, resized, or its agent went: look again."""


@dataclass(frozen=True, slots=True)
class DomainEvent:
    """Something happened to a domain: a reason to look, never a fact to act on."""

    kind: DomainEventKind
    domain: DomainId
