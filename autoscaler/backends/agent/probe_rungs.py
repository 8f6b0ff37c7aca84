"""The ways in which a guest agent can tell CPU load: each one rung of the probe ladder.

Invariant: what a rung leaves in the agent between two readings is bounded: one open file, or one process.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Protocol

from autoscaler.backends.agent import files as agent_files
from autoscaler.backends.agent.answer import MOST_VCPUS
from autoscaler.backends.agent.proc_stat import Counters, parse_proc_stat
from autoscaler.core.model import CpuSource
from autoscaler.ports import AgentBlocked, AgentNonsense, AgentRefused

if TYPE_CHECKING:
    from autoscaler.backends.agent.answer import Answer
    from autoscaler.backends.agent.files import GuestFiles
    from autoscaler.backends.agent.session import AgentSession

PROC_STAT_PATH = "/proc/stat"

_BUSY_MS = ("user", "nice", "system")
_BUSY_MS_OF_NEWER_KERNELS = ("irq", "softirq")
_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1


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


class ProcStatFile:
    """/proc/stat by the file commands; the file stays open and is read from its beginning each time."""

    source = CpuSource.PROC_STAT
    commands = agent_files.READ

    def __init__(self, session: AgentSession, files: GuestFiles) -> None:
        self._session = session
        self._files = files
        self._handle: int | None = None
        self._keeps = True
        self._last = b""

    def read(self) -> Counters:
        """Read by the kept handle, else by a new one; see `Rung`."""
        content = self._read_again()
        if content is None:
            self._handle = self._files.open(PROC_STAT_PATH, "r")
            content = self._files.read_on(self._handle)
            if not self._keeps:
                self.release()
        self._last = content
        return parse_proc_stat(content, domain_name=self._session.name)

    def release(self) -> None:
        """Close the kept file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._files.close(handle)

    def _read_again(self) -> bytes | None:
        if self._handle is None:
            return None
        try:
            self._files.rewind(self._handle)
            content = self._files.read_on(self._handle)
        except AgentBlocked:
            # Seeking is not among the commands that this rung needs.
            self._session.check_not_frozen()
            self._keeps = False
        except AgentRefused:
            # An agent that was restarted has lost its files.
            self._session.check_not_frozen()
        else:
            if content != self._last:
                return content
            # /proc/stat counts interrupts and context switches: the same bytes are an old copy.
            self._keeps = False
        self.release()
        return None


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


class ProcStatExec:
    """/proc/stat by running ``cat`` in the guest."""

    source = CpuSource.EXEC
    commands = frozenset({"guest-exec", "guest-exec-status"})

    def __init__(self, session: AgentSession) -> None:
        self._session = session
        self._pid: int | None = None

    def read(self) -> Counters:
        """Start it and wait for its end within the call's deadline; see `Rung`.

        A process that did not end in time is waited for by the next reading, before another is started.
        """
        if self._pid is not None:
            self._reap_earlier(self._pid)
        started = self._session.create(
            "guest-exec", {"path": "cat", "arg": [PROC_STAT_PATH], "capture-output": True}
        )
        self._pid = started.field("pid").count()
        ended = self._wait(self._pid)
        code = ended.optional("exitcode")
        if code is None or code.count() != 0:
            raise AgentRefused(f"cat {PROC_STAT_PATH} failed in the guest of domain {self._session.name}")
        output = ended.field("out-data")
        try:
            content = base64.b64decode(output.text(), validate=True)
        except (ValueError, binascii.Error):
            raise AgentNonsense(f"the guest agent answered {output.place} with what is no base64") from None
        return parse_proc_stat(content, domain_name=self._session.name)

    def _reap_earlier(self, pid: int) -> None:
        try:
            self._wait(pid)
        except AgentRefused:
            self._session.check_not_frozen()
            self._session.agent_restarted()

    def _wait(self, pid: int) -> Answer:
        pause_s = _PAUSE_S
        while True:
            status = self._session.ask("guest-exec-status", {"pid": pid})
            if status.field("exited").flag():
                self._pid = None
                return status
            self._session.pause(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _busy_ms(entry: Answer) -> int:
    always = sum(entry.field(name).count() for name in _BUSY_MS)
    return always + sum(_optional_ms(entry, name) for name in _BUSY_MS_OF_NEWER_KERNELS)


def _optional_ms(entry: Answer, name: str) -> int:
    """A counter that kernels of before Linux 2.6.11 lack; to them it is part of another."""
    found = entry.optional(name)
    return found.count() if found else 0
