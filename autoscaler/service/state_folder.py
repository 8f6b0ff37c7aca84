"""The state directory: made if need be, and used by one service at a time."""

from __future__ import annotations

import errno
import fcntl
from typing import TYPE_CHECKING, TextIO

from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    from pathlib import Path


class StateDirectory(AutoscalerError):
    """The state directory cannot be used."""


def locked(folder: Path) -> TextIO:
    """Take the state directory for this process alone, making it if need be.

    Raises:
        StateDirectory: with what to do.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise StateDirectory(
            f"the state directory {folder} cannot be made or written to ({error.strerror}): "
            f"{_writable(error)}, or set another one with the key 'state'"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StateDirectory(
            f"another autoscaler already uses the state directory {folder}: stop that one, or give "
            "this one a directory of its own with the key 'state'"
        ) from error
    return lock


def _writable(error: OSError) -> str:
    """What makes a folder one that the service can write to."""
    if error.errno == errno.EROFS:
        # The unit shuts off all others, whosever they are.
        return "write ReadWritePaths= with it into the unit's [Service], by `systemctl edit vcpu-autoscaler`"
    return "give it to the user that runs the service"
