"""What a QEMU's vCPU threads have used of the host: their time on a CPU and their wait for one.

Invariant: for one QEMU process the sums never run backwards. A thread's counters vanish with it, so what it
had used when last seen stays in the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NS_PER_S = 1e9
_START_TIME_FIELD = 19
"""Of /proc/PID/stat, counted from the state, the first field after the command's closing bracket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadTimes:
    """Sums over all vCPU threads that a QEMU process has had."""

    run_s: float
    delay_s: float
    """Runnable, but without a host CPU."""


class VcpuThreads:
    """Sums the counters of one QEMU's vCPU threads."""

    def __init__(self, pid: int, *, proc: Path = Path("/proc")) -> None:
        """Watch the threads of process `pid` of this pid namespace; 0 stands for one that cannot be seen."""
        self._task = f"{proc}/{pid}/task"
        self.process = (pid, _start_time(proc / str(pid) / "stat"))
        """Tells this process from a later one with the same pid."""
        self._last: dict[int, tuple[int, int]] = {}
        self._gone = (0, 0)

    def read(self, thread_ids: Iterable[int]) -> ThreadTimes | None:
        """Sum the counters of these threads and of all that were seen before.

        None where a thread is not one of the process in this pid namespace, or where the kernel keeps no such
        counters (they all read zero then).
        """
        now: dict[int, tuple[int, int]] = {}
        for thread_id in thread_ids:
            counters = self._schedstat(thread_id)
            if counters is None:
                return None
            now[thread_id] = counters
        for thread_id, last in self._last.items():
            # A counter below its last value is another thread that was given the same id.
            if thread_id not in now or now[thread_id][0] < last[0]:
                self._gone = (self._gone[0] + last[0], self._gone[1] + last[1])
        self._last = now
        run_ns = self._gone[0] + sum(run for run, _ in now.values())
        delay_ns = self._gone[1] + sum(delay for _, delay in now.values())
        return ThreadTimes(run_s=run_ns / _NS_PER_S, delay_s=delay_ns / _NS_PER_S) if run_ns else None

    def _schedstat(self, thread_id: int) -> tuple[int, int] | None:
        # The path holds the check: a thread of another process is not below this process's task folder.
        try:
            with open(f"{self._task}/{thread_id}/schedstat", "rb", buffering=0) as file:  # noqa: PTH123 - per sweep
                run_ns, delay_ns, _slices = file.read(128).split()
                return int(run_ns), int(delay_ns)
        except (OSError, ValueError):
            return None


def _start_time(stat: Path) -> str | None:
    try:
        return stat.read_text(errors="replace").rpartition(")")[2].split()[_START_TIME_FIELD]
    except (OSError, IndexError):
        return None
