"""Who is at the other end of a unix socket, by the kernel's word, and whether he may give orders."""

from __future__ import annotations

import os
import socket
import stat
import struct
from dataclasses import dataclass

_CREDENTIALS = struct.Struct("iII")
_SO_PEERGROUPS = 59
"""Linux since 4.13; Python's socket module has no name for it."""
_MOST_GROUP_BYTES = 1024
"""As much as Python lets one ask for: 256 groups."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A process as it was when it connected."""

    pid: int
    uid: int
    gids: frozenset[int]

    def __str__(self) -> str:
        return f"uid {self.uid} (process {self.pid})"


def peer_of(connection: socket.socket) -> Peer:
    """The process that connected.

    Raises:
        OSError: the kernel does not say.
    """
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(credentials)
    try:
        groups = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUP_BYTES)
    except OSError:
        # An older kernel, or a peer with very many groups: only its first one is known to be his.
        groups = b""
    return Peer(pid, uid, frozenset({gid, *(group for (group,) in struct.iter_unpack("I", groups))}))


def admits(file: os.stat_result, peer: Peer) -> bool:
    """Whether a socket's file lets a peer in: root, our own user, or its group where that may write.

    The kernel asks the same when somebody connects; this holds, too, where the mode was widened later.
    """
    if peer.uid in {0, os.geteuid()}:
        return True
    return bool(file.st_mode & stat.S_IWGRP) and file.st_gid in peer.gids
