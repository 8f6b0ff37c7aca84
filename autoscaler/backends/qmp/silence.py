"""Why a QEMU says nothing: told from what the kernel shows of its process and of its socket.

A QEMU serves one QMP client and lets the next one wait unheard, and so does one that is stopped or hangs: the
silence itself does not tell which.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.backends.address import UnixAddress

if TYPE_CHECKING:
    from autoscaler.backends.address import Address

_STOPPED = frozenset("Tt")
"""What /proc/PID/stat shows of a process that a signal or a debugger has stopped."""
_LISTENS, _CONNECTED = 0x10000, 3
"""In /proc/net/unix: among the flags, and as the state."""
_TAKEN = (
    "another client is connected to this QMP socket (QEMU serves one at a time), so give the autoscaler its "
    "own -qmp socket, or a guest of libvirt by its libvirt connection"
)


def why_hung(pid: int, *, proc: Path = Path("/proc")) -> str:
    """Why this QEMU may hang, and what to do; pid 0: it is not known."""
    if _is_stopped(proc / str(pid) / "stat"):
        return f"its process {pid} is stopped, by a signal or a debugger: continue it with `kill -CONT {pid}`"
    return "see whether its process hangs (on storage, or stopped by a signal)"


def why_silent(address: Address, pid: int, *, was_ours: bool, proc: Path = Path("/proc")) -> str:
    """Why nothing greets at this address.

    Args:
        address: Where somebody listens.
        pid: Of the QEMU there; 0: it is not known.
        was_ours: Whether the last client that is known of was ourselves, and QEMU never hung up on us.
        proc: Where the kernel tells of processes and sockets.
    """
    nothing = f"no QMP greeting comes from {address}"
    if _is_stopped(proc / str(pid) / "stat"):
        return f"{nothing}: {why_hung(pid, proc=proc)}"
    hangs = f"QEMU does not answer, {why_hung(pid, proc=proc)}, or it is no QMP socket"
    if isinstance(address, UnixAddress) and _is_free(address.path, proc / "net" / "unix"):
        return f"{nothing}: {hangs}"
    first, second = (hangs, _TAKEN) if was_ours else (_TAKEN, hangs)
    return f"{nothing}: {first}; or {second}"


def _is_stopped(stat: Path) -> bool:
    try:
        return stat.read_text(errors="replace").rpartition(")")[2].split()[0] in _STOPPED
    except (OSError, IndexError):
        return False


def _is_free(path: str, table: Path) -> bool:
    """Whether somebody is seen to listen at this path, and to serve nobody there.

    A connection that waits to be served is listed, too, and has no inode yet.
    """
    try:
        rows = table.read_bytes().splitlines()
    except OSError:
        return False
    found = [
        fields for fields in (row.split(maxsplit=7) for row in rows) if fields[7:] == [os.fsencode(path)]
    ]
    listens = any(int(flags, 16) & _LISTENS for _, _, _, flags, *_ in found)
    serves = any(int(state, 16) == _CONNECTED and inode != b"0" for *_, state, inode, _ in found)
    return listens and not serves
