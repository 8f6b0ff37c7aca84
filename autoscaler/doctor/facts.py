"""All that the checks know of a host and of a domain, gathered once.

Invariant: what could not be seen is None, with its meaning stated, and never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from math import prod
from typing import TYPE_CHECKING

from autoscaler.core.named import Named
from autoscaler.service.settings import HostLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.backends.agent.inspection import AgentInspection
    from autoscaler.core.model import DomainView
    from autoscaler.core.policy import Policy

Version = tuple[int, int, int]


class Way(StrEnum):
    """How a domain is reached."""

    LIBVIRT = "libvirt"
    QMP = "qmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place for one vCPU, or for a core of several."""

    vcpus: int
    plugged: bool
    removable: bool
    """What it holds, or is given, can go back to the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What the guest is shown; the product is its maximum."""

    sockets: int
    dies: int = 1
    clusters: int = 1
    cores: int
    threads: int

    def with_vcpus(self, count: int) -> Topology:
        """The same with more sockets, so that at least `count` vCPUs fit."""
        return replace(self, sockets=-(-count * self.sockets // self.vcpus))

    @property
    def vcpus(self) -> int:
        """How many fit."""
        return prod(number for _, number in self._levels)

    def __str__(self) -> str:
        return ", ".join(f"{level} {number}" for level, number in self._told)

    @property
    def xml(self) -> str:
        """As libvirt writes it; a level that a machine may not know is left out where it is one."""
        attributes = " ".join(f"{level}='{number}'" for level, number in self._told)
        return f"<topology {attributes}/>"

    @property
    def _levels(self) -> tuple[tuple[str, int], ...]:
        return tuple((level.name, getattr(self, level.name)) for level in fields(self))

    @property
    def _told(self) -> tuple[tuple[str, int], ...]:
        return tuple(it for it in self._levels if it[0] not in {"dies", "clusters"} or it[1] > 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the vCPUs may run on the host, and how much."""

    pins: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """By vCPU, the host CPUs that it is bound to."""
    allowed: frozenset[int] | None = None
    """The host CPUs of vCPUs without a binding of their own; None: any."""
    strict_nodes: bool = False
    """Memory comes from some NUMA nodes only."""
    cells: int = 0
    """NUMA nodes that the guest is shown; 0: none."""
    quota_vcpus: float | None = None
    """Most that the whole domain may use, in CPUs; None: no limit."""
    vcpu_quota_ratio: float | None = None
    """Most of a CPU that one vCPU may use; None: no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """How a domain is put together."""

    starts_with: int | None
    """vCPUs that it had when it started, or starts with; None: not known."""
    next_maximum: int | None
    """Its maximum after the next start; None: as it is."""
    transient: bool = False
    """libvirt keeps no definition of it."""
    arch: str | None = None
    machine: str | None = None
    emulated: bool | None = None
    """Without KVM."""
    acpi: bool | None = None
    hides_hypervisor: str = ""
    """The element by which the guest is kept from seeing that it runs on KVM; empty: none."""
    no_kvmclock: bool = False
    """The guest is not given KVM's clock."""
    slots: tuple[Slot, ...] | None = None
    """None: no place for vCPUs is told."""
    hotplug: bool = True
    """Whether its machine type has places for vCPUs at all."""
    topology: Topology | None = None
    vcpu_attributes: tuple[tuple[str, str], ...] = ()
    """Of <vcpu> in its definition, all but `current`: its placement, where it may run."""
    placement: Placement = field(default_factory=Placement)
    """Where its vCPUs may run."""
    channel: bool | None = None
    """Whether there is an agent channel; None: not known."""
    connected: bool | None = None
    """Whether anything in the guest has it open; None: not told."""
    next_channel: bool | None = None
    """Whether there is one after the next start; None: as it is."""
    next_acpi: bool | None = None
    """The same of ACPI."""
    qemu: Version | None = None
    """Of the running process; None: that of the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """One connection and what is behind it."""

    label: str
    """With libvirt, its URI."""
    way: Way
    trouble: str = ""
    """Why nothing more is known, in a sentence."""
    refusal: str = ""
    """Why domains cannot be changed, in a sentence."""
    libvirt: Version | None = None
    qemu: Version | None = None
    cpus: int | None = None
    """Online logical CPUs."""
    nodes: tuple[frozenset[int], ...] = ()
    """The CPUs of each NUMA node; empty: not known."""
    pressure_ratio: float | None = None
    """Share of the last 10 s in which some task waited for a CPU."""
    plugged_vcpus: int = 0
    """What its running domains have together."""
    maximum_vcpus: int = 0
    """What they could have together."""
    limits: HostLimits = field(default_factory=HostLimits)
    speaks_to_qemu: str = ""
    """With QMP: the user who does for the installed service; empty: none is installed here."""
    actuator: str | None = None
    """Why the process that changes guests does not serve this connection, in a sentence; empty: it does;
    None: there is none, or it was not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFacts:
    """One domain."""

    host: HostFacts
    name: str
    uuid: str
    view: DomainView | None
    """What the service would see of it; None: it does not run."""
    plugged: int
    maximum: int
    build: Build
    trouble: str = ""
    """Why it is not seen, in a sentence."""
    agent: AgentInspection | None = None
    agent_trouble: str = ""
    """Why its agent told nothing, in a sentence."""
    agent_busy: bool = False
    """That will pass by itself, or is somebody's will: a pause, a freeze, another's call."""
    socket_modes: Mapping[str, int] = field(default_factory=dict)
    """With QMP: the permissions of its sockets, by path."""
    on_tcp: tuple[str, ...] = ()
    """With QMP: those of its addresses that are none of a unix socket."""
    policies_known: bool = False
    policy: Policy | None = None
    """What governs it; None: nothing does, where policies are known."""

    @property
    def named(self) -> Named:
        """What sentences and commands call it."""
        return Named(self.host.label, self.uuid, self.name)

    @property
    def by_libvirt(self) -> bool:
        """Whether libvirt runs it."""
        return self.host.way is Way.LIBVIRT

    @property
    def is_mendable(self) -> bool:
        """Whether its definition can be mended: libvirt keeps one, of a machine that takes what is added."""
        return self.by_libvirt and not self.build.transient and self.build.hotplug

    @property
    def restart(self) -> tuple[str, ...]:
        """Command lines that stop it and start it again, where it runs."""
        if self.view is None or not self.by_libvirt or self.build.transient:
            return ()
        start = self.named.virsh("start")
        return (self.named.virsh("shutdown"), f"{start}  # once it is shut off")


def dotted(version: Version) -> str:
    """As people write it."""
    return ".".join(map(str, version))


def listed(numbers: frozenset[int]) -> str:
    """CPU numbers as the kernel writes them: ``0-3,6``."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges)
