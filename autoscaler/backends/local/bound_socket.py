"""A unix socket at a path: bound there, known by its file, and gone from there at the end.

Invariants: the file is never open to more than its group; what is no socket, or what another process listens
on, is never taken over, nor removed.
"""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

from autoscaler.backends.address import UNIX_PATH_BYTES
from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    from pathlib import Path

_MODE = 0o660


class SocketUnavailable(AutoscalerError):
    """The socket cannot be made."""


class BoundSocket:
    """Does not listen yet, so that what may go wrong does before anything runs."""

    def __init__(self, path: Path, *, name: str, set_by: str) -> None:
        """Bind; the socket of a process that was killed is replaced.

        Args:
            path: where.
            name: what the socket is, in a word, for sentences.
            set_by: what says where it is, for sentences.

        Raises:
            SocketUnavailable: with what to do.
        """
        length = len(os.fsencode(path))
        if length > UNIX_PATH_BYTES:
            raise SocketUnavailable(
                f"the folder {path.parent} is too long for the {name} socket in it, whose path would have "
                f"{length} bytes and may have {UNIX_PATH_BYTES}: set a shorter one with {set_by}"
            )
        self._path = path
        try:
            _remove_stale(path, name)
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self._file = _bind(self.listener, path)
            except BaseException:
                self.listener.close()
                raise
        except OSError as error:
            raise SocketUnavailable(
                f"the {name} socket {path} cannot be made ({error.strerror}): give its folder to the user "
                "that runs this, and move away what lies at that path"
            ) from error

    @property
    def in_place(self) -> bool:
        """Whether who connects to the path comes here; an open socket's inode is nobody else's."""
        try:
            return os.path.samestat(self._path.lstat(), self._file)
        except OSError:
            return False

    def close(self) -> None:
        """Close, and remove the file unless another lies there."""
        if self.in_place:
            self._path.unlink(missing_ok=True)
        self.listener.close()


def _bind(listener: socket.socket, path: Path) -> os.stat_result:
    """Bind a socket to this path; returns what it is known by there."""
    os.fchmod(listener.fileno(), _MODE)  # which its file has from the first moment on
    listener.bind(os.fsencode(path))
    path.chmod(_MODE)  # what the mask of this process has taken from the group
    return path.lstat()


def _remove_stale(path: Path, name: str) -> None:
    """Remove a socket on which nobody listens any more; what is no socket is not ours to remove.

    Raises:
        SocketUnavailable: somebody listens on it.
        OSError: it cannot be looked at or removed.
    """
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as visitor:
            visitor.connect(os.fsencode(path))
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
        return
    except BlockingIOError:
        pass  # So many wait already for who listens there.
    raise SocketUnavailable(
        f"another process listens at the {name} socket {path}, and requests would reach that one: stop it "
        f"(`ss -xlp src {path}` names it)"
    )
