"""The actuator as a process of its own, and bounds for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.actuator.bounds import Charter, DomainBounds
from autoscaler.actuator.bounds_file import written
from autoscaler.backends.actuator.protocol import Verb
from autoscaler.core.policy import Match

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from autoscaler.backends.connection import Connection

PATIENCE_S = 20.0

EVERYTHING = DomainBounds(
    policy="everything", match=Match(name=("*",)), may=frozenset(Verb), min_vcpus=0, max_vcpus=None
)
"""Whatever a backend itself allows."""


class RunningActuator:
    """One actuator in a folder of its own."""

    def __init__(self, folder: Path, *, prefix: Sequence[str] = (), uid: int | None = None) -> None:
        """Nothing runs yet.

        Args:
            folder: takes its socket, its bounds and its log; an empty one with a short path.
            prefix: words that go before the command, to run it as somebody else.
            uid: who may ask; None: this process.
        """
        self.socket = folder / "socket"
        self.bounds = folder / "bounds.json"
        self.log = folder / "log"
        self._prefix = prefix
        self._uid = os.geteuid() if uid is None else uid
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the actuator does not run"
        return self._process

    def allow(self, *bounds: DomainBounds, connections: Sequence[Connection], timeout_s: float = 2.0) -> None:
        """Put bounds in force, as `autoscaler bounds` does: by a rename."""
        charter = Charter(connections=tuple(connections), agent_timeout_s=timeout_s, bounds=bounds)
        fresh = self.bounds.with_suffix(".new")
        fresh.write_text(written(charter))
        fresh.chmod(0o644)
        fresh.replace(self.bounds)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        said_before = self.said()
        command = (sys.executable, "-m", "autoscaler.actuator.main", "--bounds", self.bounds)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                (*self._prefix, *command, "--socket", self.socket, "--user", str(self._uid)),
                stdout=log,
                stderr=log,
            )
        end_s = time.monotonic() + PATIENCE_S
        while "asked at" not in self.said().removeprefix(said_before):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end_s, f"it does not listen: {self.said()}"
            time.sleep(0.02)

    def said(self) -> str:
        """Its log, of this run and of those before."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; gives its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self._process = None
        return code


@contextlib.contextmanager
def running_actuator(
    *connections: Connection, timeout_s: float = 2.0, user: str = "", prefix: Sequence[str] = ()
) -> Iterator[RunningActuator]:
    """An actuator that may do whatever its backends allow; as that user where `prefix` makes it his."""
    folder = Path(tempfile.mkdtemp(prefix="act-"))
    if user:
        shutil.chown(folder, user)
    actuator = RunningActuator(folder, prefix=prefix)
    actuator.allow(EVERYTHING, connections=connections, timeout_s=timeout_s)
    actuator.start()
    try:
        yield actuator
    finally:
        actuator.stop()
        shutil.rmtree(folder)
