"""Ends a process that may long be gone, without ever hitting one that got its number since."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

_END_TIMEOUT_S = 10.0


def is_running(pid: int, mark: bytes) -> bool:
    """Whether process `pid` runs and has `mark` in its command line (words ended by NUL)."""
    try:
        return mark in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def kill(pid: int, mark: bytes) -> None:
    """Send SIGKILL to process `pid` if it is the one with `mark`, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        # Opened before the look: from here on the number cannot come to mean another process.
        process = os.pidfd_open(pid)
        try:
            if is_running(pid, mark):
                signal.pidfd_send_signal(process, signal.SIGKILL)
                select.select([process], [], [], _END_TIMEOUT_S)
        finally:
            os.close(process)


def kill_by_uuid(uuid: str) -> None:
    """Kill the QEMU process that was given `uuid` on its command line, if there is one."""
    kill_all(b"\0-uuid\0" + uuid.encode() + b"\0")


def kill_all(mark: bytes) -> None:
    """Kill every process that has `mark` in its command line, but this one."""
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) != os.getpid():
            kill(int(folder.name), mark)
