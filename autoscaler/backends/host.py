"""The host that this service runs on: its CPUs, and whether its tasks wait for them.

Invariant: pressure that cannot be read is None, never a zero.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autoscaler.core.model import HostView
from autoscaler.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.ports import Clock

ONLINE = Path("/sys/devices/system/cpu/online")
NODES = Path("/sys/devices/system/node")
PRESSURE = Path("/proc/pressure/cpu")

_LOCAL = frozenset({"qemu", "qemu+unix"})
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_local(uri: str) -> bool:
    """Whether the guests of a libvirt URI surely run on this host, so that its own files tell about it.

    A URI that names a host does not, though it may be this one; a driver that only pretends guests does not.
    """
    parts = urlsplit(uri)
    return parts.scheme in _LOCAL and not parts.netloc


def machine_of(uri: str) -> str:
    """What the machine behind a libvirt URI is known by, user and transport aside; empty: it is this one.

    Two names of one machine are not found out, but for those of this one. A port is part of the name, for
    behind each may be a tunnel to another machine.
    """
    if is_local(uri):
        return ""
    parts = urlsplit(uri)
    if parts.scheme.partition("+")[0] not in _LOCAL or parts.hostname is None:
        return uri
    name = parts.netloc.rpartition("@")[2].lower()
    return "" if name in {*_OWN_NAMES, socket.gethostname().lower()} else name


def numa_nodes(folder: Path = NODES) -> tuple[frozenset[int], ...]:
    """The online CPUs of each NUMA node of this host; empty where the kernel does not tell."""
    try:
        lists = [path.read_text() for path in sorted(folder.glob("node[0-9]*/cpulist"))]
        return tuple(frozenset(_numbers(text)) for text in lists if text.strip())
    except (OSError, ValueError):
        return ()


class LocalHostProbe:
    """A `HostProbe` of the host that this service runs on."""

    def __init__(self, *, clock: Clock, online: Path = ONLINE, pressure: Path = PRESSURE) -> None:
        """Remember where to read.

        Args:
            clock: stamps what is read.
            online: the kernel's list of online CPUs; where it cannot be read, the C library is asked.
            pressure: the kernel's PSI of the CPU.
        """
        self._clock = clock
        self._online = online
        self._pressure = pressure

    def view(self) -> HostView:
        """Read it now.

        Raises:
            BackendUnavailable: nobody says how many CPUs there are.
        """
        cpus, pressure_ratio = self._cpus(), self._pressure_ratio()
        return HostView(at_s=self._clock.monotonic_s(), cpus=cpus, pressure_ratio=pressure_ratio)

    def _cpus(self) -> int:
        try:
            # Not os.cpu_count first: some C libraries tell the CPUs that this process may use.
            return _listed(self._online.read_text())
        except (OSError, ValueError):
            cpus = os.cpu_count()
        if cpus is None:
            raise BackendUnavailable(f"the CPUs of this host cannot be counted: is {self._online} readable?")
        return cpus

    def _pressure_ratio(self) -> float | None:
        """None where the kernel was built or booted without PSI, or does not show it to this user."""
        try:
            return _some_avg10(self._pressure.read_text()) / 100
        except (OSError, ValueError):
            return None


def _listed(text: str) -> int:
    """How many CPUs a list like ``0-3,6`` holds.

    Raises:
        ValueError: it is not one.
    """
    return sum(1 for _ in _numbers(text))


def _numbers(text: str) -> Iterator[int]:
    """The CPUs of such a list.

    Raises:
        ValueError: it is none.
    """
    for part in text.split(","):
        ends = [int(end) for end in part.split("-")]
        yield from range(ends[0], ends[-1] + 1)


def _some_avg10(text: str) -> float:
    """Percent of the last 10 s in which some task waited.

    Raises:
        ValueError: the text does not say.
    """
    for line in text.splitlines():
        kind, *fields = line.split()
        for field in fields:
            name, _, value = field.partition("=")
            if (kind, name) == ("some", "avg10"):
                return float(value)
    raise ValueError(f"no pressure of some tasks in {text!r}")
