"""Asks the running service over its control socket."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from autoscaler.backends.agent.deadline import Deadline
from autoscaler.backends.local.wire import connect, encoded, receive, send
from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    from pathlib import Path

START_IT = "start it with `systemctl start vcpu-autoscaler`, or by `autoscaler run` without systemd"
_PATIENCE_S = 30.0
_MOST_ANSWER_BYTES = 64 * 1024 * 1024


class ControlUnreachable(AutoscalerError):
    """The service did not give an answer; whether it did anything is not known."""


class ControlRefused(AutoscalerError):
    """The service answered, and did not do it."""


def ask_control(path: Path, verb: str, **arguments: object) -> dict[str, object]:
    """Have the service at this socket carry out a verb, and return its answer.

    Raises:
        ControlRefused: with the service's own sentence.
        ControlUnreachable: with what to do.
    """
    until = Deadline.after(_PATIENCE_S)
    request = encoded({**arguments, "verb": verb})  # before there is somebody who waits for it
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connect(connection, path, patience_s=_PATIENCE_S)
            # A service that has heard enough answers and hangs up, though there is more to say.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                send(connection, request, until=until)
            answer = receive(connection, most_bytes=_MOST_ANSWER_BYTES, until=until)
    except (OSError, EOFError, ValueError) as error:
        raise ControlUnreachable(_sentence(path, error)) from error
    if "error" in answer:
        raise ControlRefused(str(answer["error"]))
    if answer.pop("ok", None) is not True:
        raise ControlUnreachable(_sentence(path, ValueError("an answer of another kind")))
    return answer


def _sentence(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError | ConnectionRefusedError):
        return (
            f"no autoscaler listens at {path}: {START_IT}, or name its configuration with --config.file FILE"
        )
    if isinstance(error, PermissionError):
        return (
            f"you may not use the control socket {path}: run this as root or as the service's user, or join "
            "its group (as root, `usermod -aG vcpu-autoscaler NAME` where it was installed) and log in again"
        )
    if isinstance(error, TimeoutError | BlockingIOError):
        return (
            f"the autoscaler at {path} did not answer within {_PATIENCE_S:g} s: see in its log what it does"
        )
    if isinstance(error, EOFError | ConnectionError):
        return f"the autoscaler at {path} gave no answer: see in its log whether it was stopped"
    return f"{path} is no control socket of an autoscaler of this version ({error})"
