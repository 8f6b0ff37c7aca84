"""What a process holds, as the kernel tells it: memory, descriptors, threads."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """At one moment."""

    resident_kib: int
    threads: int
    descriptors: int

    def __str__(self) -> str:
        return f"{self.resident_kib} KiB, {self.threads} threads, {self.descriptors} descriptors"


def footprint(pid: int) -> Footprint:
    """What a process of this user holds now."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = dict(re.findall(r"(?m)^(VmRSS|Threads):\s+(\d+)", status))
    return Footprint(
        resident_kib=int(found["VmRSS"]),
        threads=int(found["Threads"]),
        descriptors=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
    )


def memory_mib(pid: int, line: str = "VmRSS") -> float:
    """Resident memory of a process, or what another line of its status says, as VmHWM its peak; in MiB."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(found.split()[1]) for found in status if found.startswith(f"{line}:")) / 1024


def cpu_s(pid: int) -> float:
    """CPU time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def settled(pid: int, *, threads: int, descriptors: int, patience_s: float = 10.0) -> Footprint:
    """What a process holds when it is back at so many threads and descriptors, or after that time."""
    end_s = time.monotonic() + patience_s
    while True:
        now = footprint(pid)
        if (now.threads <= threads and now.descriptors <= descriptors) or time.monotonic() > end_s:
            return now
        time.sleep(0.1)
