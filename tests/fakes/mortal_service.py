"""The real service in processes that are killed: one that has everything loaded forks a life at each order.

Run as a module it takes orders from the connection whose descriptor it is given, and answers each with the
pid of the life that it forked and, when that is over, with its wait status.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import Pipe
from multiprocessing import connection as pipes
from pathlib import Path
from typing import Any, NamedTuple, Self

from autoscaler.core.decision import Decision
from autoscaler.core.operation import Operation
from autoscaler.service import daemon
from autoscaler.service.audit_chain import line_of
from autoscaler.service.audit_log import AuditLog
from autoscaler.service.config import Config, Connection, HostLimits, Listen, QmpFolderConnection
from autoscaler.service.journal import SqliteJournal

_log = logging.getLogger("autoscaler")

INTERVAL_S = 0.2
_PATIENCE_S = 120.0
"""A machine with other things to do takes its time to load all."""
_ROOT = Path(__file__).parents[2]
_LOADED_LATE = (
    "anyio._backends._asyncio",
    "anyio.streams.tls",
    "apscheduler.triggers.interval",
    "autoscaler.backends.qmp.hypervisor",
    "uvicorn.lifespan.off",
)
"""What a service loads in its first moments; lives that did so each would take half as long again."""


class Fate:
    """Kills the process at a given step of what it records."""

    dies_at: int | None = None
    steps = 0

    @classmethod
    def step(cls) -> None:
        cls.steps += 1
        if cls.steps == cls.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalAudit(AuditLog):
    """An audit log with a step before each line, one in the midst of it and one behind it."""

    def _write(self, entry: Mapping[str, object]) -> None:
        Fate.step()
        if Fate.steps + 1 == Fate.dies_at:
            assert self._file is not None
            line, _ = line_of(entry, self.head)
            os.write(self._file, line[: len(line) // 2])
        Fate.step()
        super()._write(entry)
        Fate.step()


class MortalJournal(SqliteJournal):
    """A journal with a step before each statement and after each entry."""

    def __init__(self, path: Path, **kept: Any) -> None:  # noqa: ANN401 - as the journal has them
        super().__init__(path, **kept)
        self._db.set_trace_callback(lambda _: Fate.step())

    def decided(self, decision: Decision, *, wall_s: float, digest: str) -> int:
        row = super().decided(decision, wall_s=wall_s, digest=digest)
        Fate.step()
        return row

    def ended(self, operation: Operation) -> None:
        super().ended(operation)
        Fate.step()


class _Order(NamedTuple):
    """A life to begin."""

    connection: Connection
    folder: Path
    log: Path
    dies_at: int | None
    """The step of its records at which it is killed."""


def _config(connection: Connection, folder: Path) -> Config:
    return Config(
        connections=(connection,),
        policies=(folder / "policy.yaml",),
        state=folder / "state",
        interval_s=INTERVAL_S,
        listen=Listen("127.0.0.1", 0),
        host=HostLimits(
            overcommit=64.0,
            operations_per_minute=6000,
            pressure_below_ratio=1.0,
            delay_below_ratio=1.0,
        ),
    )


def _live(order: _Order) -> None:
    logging.basicConfig(filename=order.log, level=logging.INFO, format="%(levelname)s %(message)s")
    Fate.dies_at = order.dies_at
    service = daemon.Service(_config(order.connection, order.folder))
    signal.signal(signal.SIGTERM, lambda *_: service.stop())
    service.run()


def _serve() -> None:
    vars(daemon)["SqliteJournal"] = MortalJournal
    vars(daemon)["AuditLog"] = MortalAudit
    for module in _LOADED_LATE:
        importlib.import_module(module)
    orders: pipes.Connection[object, _Order] = pipes.Connection(int(sys.argv[1]))
    while True:
        order = orders.recv()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                _live(order)
                status = 0
            except BaseException:
                _log.exception("the life ended by an error")
                raise
            finally:
                os._exit(status)
        orders.send(pid)
        with os.fdopen(os.pidfd_open(pid)) as life:
            if orders in pipes.wait([orders, life.fileno()]):
                os.kill(pid, signal.SIGKILL)  # None comes during a life: who gives them is gone.
        orders.send(os.waitpid(pid, 0)[1])


class MortalService:
    """Lives of the service over the guests, the policy and the state of one folder, one at a time."""

    def __init__(self, folder: Path, connection: Connection | None = None) -> None:
        """`connection`: to the guests; None: those in the folder ``guests``, by QMP."""
        self._connection = connection or QmpFolderConnection(folder / "guests")
        self.log = folder / "service.log"
        self._folder = folder
        self._answers, theirs = Pipe()
        command = (sys.executable, "-m", "tests.fakes.mortal_service", str(theirs.fileno()))
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=_ROOT, process_group=0)
        theirs.close()
        self._pid: int | None = None
        self._greeted = 0
        """How many lives had said that they work when the last one began."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # With the process goes its life, also one that it had no time yet to tell of.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        # Both hold the other end of the connection, which so ends when both are gone.
        with contextlib.suppress(EOFError, ConnectionError):
            while self._answers.poll(_PATIENCE_S):
                self._answers.recv()
        self._answers.close()

    def begin(self, *, dies_at: int | None = None) -> None:
        """Begin a life; `dies_at`: the step of its records at which it is killed."""
        self._greeted = self._greetings()
        self._answers.send(_Order(self._connection, self._folder, self.log, dies_at))
        self._pid = self._answer()

    @property
    def pid(self) -> int:
        """Of the life."""
        assert self._pid is not None
        return self._pid

    @property
    def is_over(self) -> bool:
        """Whether the life has come to an end."""
        return self._answers.poll()

    @property
    def works(self) -> bool:
        """Whether the life has begun to work, and takes orders."""
        return self._greetings() > self._greeted

    def second(self) -> None:
        """Make another service over the same state beside the life.

        Raises:
            StateDirectory: it is refused.
        """
        daemon.Service(_config(self._connection, self._folder))._opened.close()

    def end(self, number: int, *, after_s: float = 0.0) -> int:
        """End the life by a signal, unless it is over within that time; returns its wait status."""
        assert self._pid is not None
        pid, self._pid = self._pid, None
        if not self._answers.poll(after_s):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return self._answer()

    def _greetings(self) -> int:
        return self._said().count("; metrics at ")

    def _said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def _answer(self) -> int:
        assert self._answers.poll(_PATIENCE_S), self._said() or "the service said nothing"
        answer: int = self._answers.recv()
        return answer


if __name__ == "__main__":
    _serve()
