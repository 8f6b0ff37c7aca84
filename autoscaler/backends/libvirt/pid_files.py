"""Which process runs a libvirt domain's QEMU, by the file that libvirt keeps of it on its host.

libvirt has no call for it. A name with a slash is none that libvirt takes, so a file's name is not trusted
with one.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from autoscaler.backends.descriptors import DescriptorWatch
from autoscaler.backends.host import is_local

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoscaler.core.model import Descriptors

_SYSTEM = Path("/run/libvirt/qemu")


class PidFiles:
    """The QEMU processes of one connection."""

    def __init__(self, uri: str) -> None:
        """Find where libvirt keeps the files of this connection; nothing is read yet."""
        self._folder = _folder_of(uri)
        self._watches: dict[str, DescriptorWatch] = {}
        """By the domain's name."""

    def descriptors(self, name: str, now_s: float) -> Descriptors | None:
        """Those of a domain's QEMU; None where they cannot be seen."""
        if self._folder is None or "/" in name:
            return None
        watch = self._watches.get(name)
        if watch is None:
            path = self._folder / f"{name}.pid"
            watch = self._watches[name] = DescriptorWatch(partial(_read_pid, path))
        return watch.at(now_s)

    def keep_only(self, names: Iterable[str]) -> None:
        """Forget the domains that are gone."""
        for gone in self._watches.keys() - set(names):
            self._watches.pop(gone, None)


def _folder_of(uri: str) -> Path | None:
    parts = urlsplit(uri)
    if parts.path == "/embed":
        root = parse_qs(parts.query).get("root", [""])[0]
        return Path(root, "run/qemu") if root else None
    if not is_local(uri):
        return None
    if parts.path == "/system":
        return _SYSTEM
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "libvirt/qemu/run") if runtime else None


def _read_pid(path: Path) -> int:
    try:
        return int(path.read_text(errors="replace"))
    except (OSError, ValueError):
        return 0
