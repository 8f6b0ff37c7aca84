"""A libvirt daemon that takes connections and never says a word."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def hung_daemon(path: Path) -> Iterator[str]:
    """Its URI; `path` becomes its socket."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen(64)
        yield f"qemu+unix:///system?socket={path}"
