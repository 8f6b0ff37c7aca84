"""The installed command `autoscaler run` as a process, and how a test asks it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from tests.fakes.quick_policy import QUICK_POLICY

COMMAND = Path(sys.executable).parent / "autoscaler"

UNHURRIED = "delay_below: 100%, pressure_below: 100%"
"""A host whose other work stops nobody's growth. What it withholds from a guest still stops that guest's."""

ROOMY_HOST = f"overcommit: 64, {UNHURRIED}"
"""A host that is never full either, however few CPUs it has and however many guests the tests run on it."""

AS_FROM_A_TERMINAL = ("env", "--default-signal=INT,HUP,TERM")
"""Goes before a command that a test interrupts: a run in the background ignores SIGINT and hands that on."""


class RunningService:
    """A service in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        connection: str,
        *,
        policy: str = QUICK_POLICY,
        host: str = ROOMY_HOST,
        interval: str = "1s",
        more: str = "",
        prefix: Sequence[str] = (),
    ) -> None:
        """Write its configuration; nothing runs yet.

        Args:
            folder: takes the configuration, the state and the log.
            connection: the configuration's entry, as ``qmp: /folder``; several with ``}, {`` between them.
            policy: the text of the policy file.
            host: what the configuration says of the host, as ``overcommit: 2``.
            interval: from one sample to the next.
            more: further lines of the configuration.
            prefix: words that go before the command, to run it as somebody else.
        """
        self.folder = folder
        self._prefix = prefix
        self.policy = folder / "policy.yaml"
        self.policy.write_text(policy)
        self.port = free_port()
        self.server = f"http://127.0.0.1:{self.port}"
        self.config = folder / "config.yaml"
        self.config.write_text(
            f"version: 1\nconnections: [{{{connection}}}]\npolicies: [policy.yaml]\nstate: state\n"
            f'interval: {interval}\nweb: {{listen: "127.0.0.1:{self.port}"}}\nhost: {{{host}}}\n'
            f"{more}"
        )
        self.log = folder / "service.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                (*self._prefix, COMMAND, "run", "--config.file", self.config), stderr=log, stdout=log
            )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it as a signal does, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        try:
            with build_opener(ProxyHandler({})).open(f"{self.server}{path}", timeout=10) as answer:
                text = answer.read().decode()
        except HTTPError as error:
            error.close()
            raise
        return json.loads(text) if "/api/" in path else text

    def wait_for_tick(self, *, timeout_s: float = 20) -> None:
        """Wait until it has finished its first tick."""
        end_s = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(URLError, ConnectionError):
                self.get("/-/ready")
                return
            assert time.monotonic() < end_s, self.log.read_text()
            time.sleep(0.1)

    def domain(self, name: str) -> dict[str, Any] | None:
        """What the service says of a domain; None while it says nothing."""
        with contextlib.suppress(URLError, ConnectionError):
            return next((found for found in self.get("/api/v1/domains") if found["name"] == name), None)
        return None

    def wait_for(
        self, name: str, until: Callable[[dict[str, Any]], bool], *, timeout_s: float = 40
    ) -> dict[str, Any]:
        """Wait until what it says of a domain is as wanted, and return that."""
        end_s, found = time.monotonic() + timeout_s, None
        while time.monotonic() < end_s:
            assert self.process.poll() is None, f"the service ended:\n{self.log.read_text()}"
            found = self.domain(name)
            if found is not None and until(found):
                return found
            time.sleep(0.1)
        raise AssertionError(f"{name} did not get there: {found}\n{self.log.read_text()}")

    def wait_gone(self, name: str, *, timeout_s: float = 20) -> None:
        """Wait until the service no longer governs a domain."""
        end_s = time.monotonic() + timeout_s
        while self.domain(name) is not None:
            assert time.monotonic() < end_s, f"{name} is still there\n{self.log.read_text()}"
            time.sleep(0.1)

    def metric(self, series: str) -> float | None:
        """The value of a series, by its text up to the value; None: there is none."""
        prefix = f"vcpu_autoscaler_{series} "
        lines = [line for line in self.get("/metrics").splitlines() if line.startswith(prefix)]
        return float(lines[0].removeprefix(prefix)) if lines else None

    def wait_for_metric(self, series: str, value: float, *, timeout_s: float = 20) -> None:
        """Wait until a series has this value."""
        end_s = time.monotonic() + timeout_s
        while self.metric(series) != value:
            assert time.monotonic() < end_s, self.log.read_text()
            time.sleep(0.1)

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command against this service."""
        environment = {**os.environ, "VCPU_AUTOSCALER_SERVER": self.server}
        return subprocess.run(
            (COMMAND, *arguments), capture_output=True, text=True, env=environment, timeout=30, check=False
        )


@contextlib.contextmanager
def running_service(
    folder: Path,
    connection: str,
    *,
    policy: str = QUICK_POLICY,
    host: str = ROOMY_HOST,
    interval: str = "1s",
    more: str = "",
    prefix: Sequence[str] = (),
) -> Iterator[RunningService]:
    """Run the service for the block; it is ended however the block ends."""
    service = RunningService(
        folder, connection, policy=policy, host=host, interval=interval, more=more, prefix=prefix
    )
    service.start()
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait(timeout=20)


@contextlib.contextmanager
def idle_service() -> Iterator[RunningService]:
    """Run a service that watches an empty folder of guests, in a temporary folder, and has ticked once."""
    folder = Path(tempfile.mkdtemp(prefix="vcpu-idle-"))
    (folder / "guests").mkdir()
    try:
        with running_service(folder, f"qmp: {folder}/guests") as service:
            service.wait_for_tick()
            yield service
    finally:
        shutil.rmtree(folder)


def free_port() -> int:
    """A port of this host that nobody listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
