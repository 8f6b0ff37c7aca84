"""The ways in which a guest agent can tell CPU load: each one rung of the probe ladder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from autoscaler.backends.agent.proc_stat import Counters, parse_pressure, parse_proc_stat
from autoscaler.core.model import MOST_VCPUS, CpuSource
from autoscaler.errors import AgentNonsense

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoscaler.backends.agent.answer import Answer
    from autoscaler.backends.agent.kernel_files import KernelFiles
    from autoscaler.backends.agent.session import AgentSession

PROC_STAT_PATH = "/proc/stat"
PRESSURE_PATH = "/proc/pressure/cpu"

_BUSY_MS = ("user", "nice", "system")
_BUSY_MS_OF_NEWER_KERNELS = ("irq", "softirq")


class Rung(Protocol):
    """One way to read a guest's counters."""

    @property
    def source(self) -> CpuSource:
        """What a sample from here is marked with."""
        ...

    @property
    def commands(self) -> frozenset[str]:
        """The agent's commands that it cannot do without."""
        ...

    def read(self) -> Counters:
        """Read the counters now.

        Raises:
            AgentBlocked, AgentRefused: not this way, in this guest.
            AutoscalerError: as `AgentSession.ask`.
        """
        ...

    def pressure_s(self) -> float | None:
        """Seconds since boot in which some task waited for a CPU; None: this way does not tell.

        Raises:
            AgentBlocked, AgentRefused: the guest's kernel does not tell.
            AutoscalerError: as `AgentSession.ask`.
        """
        ...


class ProcFiles:
    """/proc/stat, and /proc/pressure/cpu beside it, by one of the ways to read such files."""

    def __init__(
        self, source: CpuSource, commands: Iterable[str], session: AgentSession, files: KernelFiles
    ) -> None:
        """Take the way as it is; `source` and `commands` are those of `Rung`."""
        self.source = source
        self.commands = frozenset(commands)
        self._session = session
        self._files = files

    def read(self) -> Counters:
        """Read /proc/stat; see `Rung`."""
        return parse_proc_stat(self._files.read(PROC_STAT_PATH), domain_name=self._session.name)

    def pressure_s(self) -> float:
        """Read /proc/pressure/cpu, which a kernel without PSI does not have; see `Rung`."""
        return parse_pressure(self._files.read(PRESSURE_PATH), domain_name=self._session.name)


class CpuStats:
    """guest-get-cpustats, of agents from 7.1 on: milliseconds, one entry for each online vCPU."""

    source = CpuSource.CPUSTATS
    commands = frozenset({"guest-get-cpustats"})

    def __init__(self, session: AgentSession) -> None:
        self._session = session

    def read(self) -> Counters:
        """Sum the online vCPUs; see `Rung`. The agent reads them from /proc/stat, guest time inside user."""
        entries = self._session.ask("guest-get-cpustats").items(at_most=MOST_VCPUS)
        online = [entry.field("cpu").vcpu_id() for entry in entries]
        if not online or len(set(online)) != len(online):
            raise AgentNonsense(
                f"the agent of domain {self._session.name} listed no vCPU, or one twice: it is not believed"
            )
        return Counters(
            busy_s=sum(_busy_ms(entry) for entry in entries) / 1000,
            steal_s=sum(_optional_ms(entry, "steal") for entry in entries) / 1000,
            online=frozenset(online),
        )

    def pressure_s(self) -> None:
        """Nothing: the agent has no command for it."""


def _busy_ms(entry: Answer) -> int:
    always = sum(entry.field(name).count() for name in _BUSY_MS)
    return always + sum(_optional_ms(entry, name) for name in _BUSY_MS_OF_NEWER_KERNELS)


def _optional_ms(entry: Answer, name: str) -> int:
    """A counter that kernels of before Linux 2.6.11 lack; to them it is part of another."""
    found = entry.optional(name)
    return found.count() if found else 0
