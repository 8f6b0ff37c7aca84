"""How many file descriptors a QEMU has open, of how many: under KVM each plug and unplug may leave one.

Invariant: what cannot be read is None, never zero: another host's process, or another user's.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.core.model import Descriptors

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY_S = 10.0
"""How old a reading may be: they rise by one a change at most."""
USED_UP = (
    "this process has as many files open as it may, and each guest takes two: raise LimitNOFILE= of its "
    "systemd unit, or `ulimit -n` where it is started by hand"
)
"""What EMFILE means here."""
_LIMIT = re.compile(r"^Max open files +(\d+)", re.ASCII | re.MULTILINE)


def read_descriptors(pid: int, *, proc: Path = Path("/proc")) -> Descriptors | None:
    """Those of one process of this pid namespace, as far as this user may see them; 0 stands for none."""
    if pid <= 0:
        return None
    try:
        limit = _LIMIT.search((proc / str(pid) / "limits").read_text(errors="replace"))
        count = len(os.listdir(proc / str(pid) / "fd"))  # noqa: PTH208 - names are enough
        return Descriptors(open=count, limit=int(limit[1])) if limit else None
    except OSError:
        return None


@dataclass(slots=True)
class DescriptorWatch:
    """One QEMU's, read anew when the last reading is old."""

    pid: Callable[[], int]
    """The process; 0: not known."""
    _last: Descriptors | None = None
    _read_s: float = float("-inf")

    def at(self, now_s: float) -> Descriptors | None:
        """What is known at this time."""
        if now_s - self._read_s >= EVERY_S:
            self._last, self._read_s = read_descriptors(self.pid()), now_s
        return self._last
