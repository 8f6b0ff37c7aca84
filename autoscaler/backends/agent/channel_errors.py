"""Why an agent's socket gave no answer, as an error of the port that says what to do.

A missing or dead socket is `AgentAbsent`: an agent should be behind it. What the administrator must mend on
the host is `BackendUnavailable`, so that it is seen.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from autoscaler.backends.agent.connection import SYNC_BYTES, FloodedError
from autoscaler.backends.agent.wire import REPLY_BYTES
from autoscaler.backends.descriptors import USED_UP
from autoscaler.errors import (
    AgentAbsent,
    AgentNonsense,
    AgentUnresponsive,
    AutoscalerError,
    BackendUnavailable,
)

if TYPE_CHECKING:
    from autoscaler.backends.address import Address


_UNREACHABLE: tuple[tuple[type[OSError], type[AutoscalerError], str], ...] = (
    (FileNotFoundError, AgentAbsent, "there is no {where}: start the domain, or correct its agent address"),
    (
        ConnectionRefusedError,
        AgentAbsent,
        "nothing listens on {where}: start the domain, or correct its agent address",
    ),
    (
        PermissionError,
        BackendUnavailable,
        "permission denied on {where}: give the autoscaler's user read and write access to it",
    ),
    (
        socket.gaierror,
        BackendUnavailable,
        "the host in {where}, cannot be looked up: correct the address",
    ),
    (
        BlockingIOError,  # The queue of clients that wait for a unix socket is full.
        AgentUnresponsive,
        "other programs wait for {where}: end the one that holds it",
    ),
    (
        TimeoutError,
        AgentUnresponsive,
        "nothing answers on {where}: start qemu-guest-agent in the guest, or end what else holds the socket",
    ),
    (
        ConnectionError,
        AgentUnresponsive,
        "the other side closed {where}: is the domain stopping?",
    ),
)
"""What an error in connecting means, the first that fits."""


def connect_failed(error: OSError | FloodedError, address: Address, name: str) -> AutoscalerError:
    """Why no connection could be made, or none that is in step."""
    if isinstance(error, FloodedError):
        return AgentNonsense(
            f"the agent of domain {name} sent over {SYNC_BYTES // 1024} KiB that nobody asked for: restart "
            f"qemu-guest-agent in the guest"
        )
    where = f"{address}, the agent socket of domain {name}"
    for cause, meaning, words in _UNREACHABLE:
        if isinstance(error, cause):
            return meaning(words.format(where=where))
    if error.errno == errno.EMFILE:
        return BackendUnavailable(f"{where}, cannot be connected to: {USED_UP}")
    return BackendUnavailable(f"{where}, cannot be reached ({error}): correct the address")


def call_failed(
    error: OSError | FloodedError, name: str, command: str, timeout_s: float
) -> AgentUnresponsive | AgentNonsense:
    """Why a request that was sent has no answer."""
    match error:
        case FloodedError():
            return AgentNonsense(
                f"the agent of domain {name} answered {command} with over {REPLY_BYTES // 1024} KiB"
            )
        case TimeoutError():
            return AgentUnresponsive(
                f"the agent of domain {name} gave {command} no whole answer within {timeout_s:.3g} s"
            )
        case _:
            return AgentUnresponsive(
                f"the agent of domain {name} hung up during {command}: the domain was stopped, or its agent "
                f"restarted"
            )
