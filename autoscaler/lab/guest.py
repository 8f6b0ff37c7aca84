"""A running lab guest, however it was booted: how to load it, disturb it and end it.

The load goes over a virtio-serial port of its own, never over the agent's channel, so that the load of a test
is no traffic on what is tested. Invariant: leaving the ``with`` block ends the guest and removes its files.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import socket
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from autoscaler.lab.errors import BadSpec, LabError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

LOAD_PORT = "org.vcpu-autoscaler.load.0"
AGENT_PORT = "org.qemu.guest_agent.0"
MOST_LOAD_VCPUS = 256.0

BOOT_TIMEOUT_S = 60.0
_COMMAND_TIMEOUT_S = 10.0
_ATTEMPT_S = 2.0
_PACE_S = 0.1
_LONGEST_ANSWER = 4096


class Guest(ABC):
    """One guest that was booted by the lab."""

    def __init__(self, *, name: str, uuid: str, load_socket: Path) -> None:
        self.name = name
        self.uuid = uuid
        self.load_socket = load_socket

    def load(self, vcpus: float, *, timeout_s: float = _COMMAND_TIMEOUT_S) -> None:
        """Keep `vcpus` of the guest's vCPUs busy from now on, fractions too; 0 stops.

        More than are online may be asked for: the guest then wants what it cannot get.

        Raises:
            BadSpec: not within 0 to `MOST_LOAD_VCPUS`.
            LabError: the guest did not confirm within `timeout_s`.
        """
        if not (math.isfinite(vcpus) and 0 <= vcpus <= MOST_LOAD_VCPUS):
            raise BadSpec(
                f"Guest {self.name} cannot be loaded with {vcpus} vCPUs: give 0 to {MOST_LOAD_VCPUS:g}."
            )
        self.command(f"{vcpus:.3f}", timeout_s=timeout_s)

    def command(self, text: str, *, timeout_s: float = _COMMAND_TIMEOUT_S) -> None:
        """Have the guest carry out one line, and wait until it says that it did.

        Lines are: a number of vCPUs, ``ping``, ``agent start|stop|restart|hang`` (a hung agent holds its
        channel and answers nothing until ``agent start``), ``vcpu NUMBER 0|1`` (takes it offline or online
        behind everybody's back), ``reboot``, ``poweroff``.

        Raises:
            LabError: the guest refused, or did not answer within `timeout_s`.
        """
        # The tag tells this answer from one that an earlier caller did not stay for.
        line = f"{text} #{secrets.token_hex(4)}"
        try:
            answer = self._exchange(line, time.monotonic() + timeout_s)
        except OSError as error:
            raise LabError(
                f"Guest {self.name} did not answer {text!r} on {self.load_socket} within {timeout_s:g} s "
                f"({error}): see whether it still runs with autoscaler lab list."
            ) from error
        if answer != f"ok {line}":
            raise LabError(
                f"Guest {self.name} refused {text!r}: it is no number of vCPUs and no command of the lab."
            )

    def wait_up(self, *, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Wait until the guest has booted and takes its load.

        Raises:
            LabError: it did not within `timeout_s`.
        """
        end_s = time.monotonic() + timeout_s
        while True:
            # What a guest was told while it went down, or was not up yet, is lost: hence the short attempts.
            try:
                self.command("ping", timeout_s=_attempt_s(end_s))
            except LabError as error:
                if time.monotonic() >= end_s:
                    raise LabError(
                        f"Guest {self.name} did not boot within {timeout_s:g} s. {error}"
                    ) from error
                time.sleep(_PACE_S)
            else:
                return

    def wait_agent(self, *, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Wait until the guest agent answers.

        Raises:
            LabError: it did not within `timeout_s`.
        """
        end_s = time.monotonic() + timeout_s
        while not self._agent_answers(_attempt_s(end_s)):
            if time.monotonic() >= end_s:
                raise LabError(f"The guest agent of {self.name} did not answer within {timeout_s:g} s.")
            time.sleep(_PACE_S)

    @abstractmethod
    def _agent_answers(self, timeout_s: float) -> bool:
        """Whether the agent answers a ping now."""

    @abstractmethod
    def vcpus(self) -> tuple[int, int]:
        """Return how many vCPUs are plugged, and the maximum."""

    @abstractmethod
    def reboot(self) -> None:
        """Reset the guest as the reset button would; it boots again, with the vCPUs it has."""

    @abstractmethod
    def kill(self) -> None:
        """End the guest's QEMU process with SIGKILL, as a crash would; what that leaves, stays."""

    @abstractmethod
    def destroy(self) -> None:
        """End the guest if it runs, and remove what the lab made for it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy()

    def _exchange(self, line: str, end_s: float) -> str:
        """Send one line and return the answer that repeats it."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as port:
            port.settimeout(max(0.01, end_s - time.monotonic()))
            port.connect(str(self.load_socket))
            port.sendall(f"{line}\n".encode())
            received = b""
            while len(received) < _LONGEST_ANSWER:
                port.settimeout(max(0.01, end_s - time.monotonic()))
                chunk = port.recv(256)
                if not chunk:
                    raise ConnectionError("the guest ended")
                received += chunk
                for answer in received.decode("ascii", "replace").split("\n")[:-1]:
                    if answer.partition(" ")[2] == line:
                        return answer
        raise ConnectionError("it says something else")


def _attempt_s(end_s: float) -> float:
    return max(0.1, min(_ATTEMPT_S, end_s - time.monotonic()))
