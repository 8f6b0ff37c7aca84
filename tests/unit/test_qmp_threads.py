from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from autoscaler.backends.qmp.threads import VcpuThreads

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000_000


class Proc:
    """A /proc with one process in it."""

    def __init__(self, root: Path, *, pid: int = 100) -> None:
        self.root = root
        self.pid = pid
        self._task = root / str(pid) / "task"
        self._task.mkdir(parents=True)

    def thread(self, thread_id: int, run_s: int, delay_s: int) -> None:
        (self._task / str(thread_id)).mkdir(exist_ok=True)
        (self._task / str(thread_id) / "schedstat").write_text(f"{run_s * S} {delay_s * S} 7\n")


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def read(threads: VcpuThreads, *thread_ids: int) -> tuple[float, float] | None:
    times = threads.read(thread_ids)
    return None if times is None else (times.run_s, times.delay_s)


def test_run_and_delay_are_summed_over_the_threads(proc: Proc) -> None:
    proc.thread(101, 3, 1)
    proc.thread(102, 4, 2)

    assert read(VcpuThreads(proc.pid, proc=proc.root), 101, 102) == (7.0, 3.0)


def test_what_a_vanished_thread_had_used_stays_in_the_sum(proc: Proc) -> None:
    proc.thread(101, 3, 1)
    proc.thread(102, 4, 2)
    threads = VcpuThreads(proc.pid, proc=proc.root)
    read(threads, 101, 102)

    proc.thread(101, 5, 1)

    assert read(threads, 101) == (9.0, 3.0)
    assert read(threads, 101) == (9.0, 3.0)


def test_a_new_thread_with_an_old_id_does_not_turn_the_sum_back(proc: Proc) -> None:
    proc.thread(101, 10, 4)
    threads = VcpuThreads(proc.pid, proc=proc.root)
    read(threads, 101)

    proc.thread(101, 1, 0)

    assert read(threads, 101) == (11.0, 4.0)


@pytest.mark.parametrize(
    "thread_id",
    [pytest.param(999, id="of another process"), pytest.param(102, id="with an unreadable counter")],
)
def test_a_thread_that_cannot_be_read_makes_the_sum_unknown_once(proc: Proc, thread_id: int) -> None:
    proc.thread(101, 3, 1)
    proc.thread(102, 0, 0)
    (proc.root / "100/task/102/schedstat").write_text("nonsense")
    threads = VcpuThreads(proc.pid, proc=proc.root)

    assert read(threads, 101, thread_id) is None
    assert read(threads, 101) == (3.0, 1.0)


def test_a_kernel_that_keeps_no_counters_makes_the_sum_unknown(proc: Proc) -> None:
    proc.thread(101, 0, 0)

    assert read(VcpuThreads(proc.pid, proc=proc.root), 101) is None


def test_the_threads_of_a_real_process_have_used_time() -> None:
    times = VcpuThreads(os.getpid()).read([threading.get_native_id()])

    assert times is not None
    assert times.run_s > 0


def test_a_thread_of_another_process_is_not_believed() -> None:
    assert VcpuThreads(os.getppid()).read([threading.get_native_id()]) is None


def test_a_process_is_told_from_a_later_one_with_its_pid(tmp_path: Path) -> None:
    seen = []
    for start_time in (4711, 4812):
        (tmp_path / "100").mkdir(exist_ok=True)
        (tmp_path / "100" / "stat").write_text(f"100 (qemu) a) b) S {' 0' * 18} {start_time} 0")
        seen.append(VcpuThreads(100, proc=tmp_path).process)

    assert seen == [(100, "4711"), (100, "4812")]
