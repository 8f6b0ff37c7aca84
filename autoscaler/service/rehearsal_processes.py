"""Work on all CPUs of this machine: its parts among processes, each a fresh interpreter.

Invariants: the result is that of one process, to the last digit; no process outlives the call or the caller.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, TypeVar

from autoscaler.errors import AutoscalerError
from autoscaler.service.rehearsal_chunks import chunks, put_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext, SpawnProcess
    from multiprocessing.sharedctypes import Synchronized

    from autoscaler.core.policy import PolicySet
    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace
    from autoscaler.service.rehearsal_chunks import Part

T = TypeVar("T")

_LOOK_EVERY_S = 0.2


class WorkerLost(AutoscalerError):
    """A process of a rehearsal ended before its work."""


def rehearse_on_all_cpus(
    traces: Sequence[Trace],
    policies: PolicySet,
    circumstances: Circumstances,
    *,
    progress: Callable[[int], None] | None = None,
    processes: int | None = None,
) -> list[Course]:
    """As `rehearse`, in so many processes; None: as many as there are CPUs for this one.

    Raises:
        CannotRehearse, RehearsalFault: as `rehearse`.
        WorkerLost: a process was killed, or ran out of memory.
    """
    count = cpus(processes)
    parts = chunks(traces, policies, circumstances, workers=count)
    return put_together(traces, on_all_cpus(parts, progress=progress, processes=count))


def cpus(processes: int | None) -> int:
    """How many processes are meant; None: as many as there are CPUs for this one."""
    return processes or len(os.sched_getaffinity(0))


def on_all_cpus(
    parts: Sequence[Part[T]], *, progress: Callable[[int], None] | None = None, processes: int | None = None
) -> list[T]:
    """What comes of each part, in their order; alone, or in one process, a part runs in this one.

    Raises:
        AutoscalerError: what a part raised.
        WorkerLost: a process was killed, or ran out of memory.
    """
    count = min(cpus(processes), len(parts))
    if count <= 1:
        return [part.run(progress) for part in parts]
    # A process that is forked would inherit locks that threads of this one hold.
    context = get_context("spawn")
    over = context.Value("q", 0)
    with _workers(context, count, over) as workers:
        return _gathered(parts, workers, over, progress or (lambda _: None))


@contextmanager
def _workers(context: SpawnContext, count: int, over: Synchronized[int]) -> Iterator[list[Connection]]:
    """So many processes, each at the other end of a connection; at the end of the block they are no more."""
    began: list[tuple[SpawnProcess, Connection]] = []
    try:
        with _deaf_to_interrupts():
            for _ in range(count):
                here, there = context.Pipe()
                process = context.Process(target=_work, args=(there, over, os.getpid()), daemon=True)
                process.start()
                there.close()  # So that the end of the process is the end of the connection.
                began.append((process, here))
        yield [connection for _, connection in began]
    finally:
        for process, connection in began:
            process.kill()
            process.join()
            connection.close()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that begin here hear no interrupt from the terminal, not even while they start.

    It is for the process that waits for them, which hears one that comes meanwhile at the end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _gathered(
    parts: Sequence[Part[T]],
    workers: Sequence[Connection],
    over: Synchronized[int],
    progress: Callable[[int], None],
) -> list[T]:
    """What came of each part, in their order; tells how far all are meanwhile."""
    left, told = iter(enumerate(parts)), 0
    at_work: dict[Connection, int] = {}
    done: dict[int, T] = {}
    idle = list(workers)
    while True:
        with _naming_loss():
            for worker, (number, part) in zip(idle, left, strict=False):
                worker.send(part)
                at_work[worker] = number
            if not at_work:
                return [done[number] for number in sorted(done)]
            idle = [worker for worker in wait(list(at_work), _LOOK_EVERY_S) if worker in at_work]
            for worker in idle:
                result, error = worker.recv()
                if error is not None:
                    raise error
                done[at_work.pop(worker)] = result
        now = over.value
        progress(now - told)
        told = now


@contextmanager
def _naming_loss() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise WorkerLost(
            "a process of the replay ended before its work: it was killed, or memory ran out (see `dmesg`); "
            "replay fewer domains at a time, or in fewer processes"
        ) from error


def _work(connection: Connection, over: Synchronized[int], parent: int) -> None:
    """Be a worker: run each part that comes, until none comes any more."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()

    def progress(domain_steps: int) -> None:
        with over.get_lock():
            over.value += domain_steps

    while True:
        try:
            part = connection.recv()
        except EOFError:
            return
        try:
            outcome: tuple[object, Exception | None] = (part.run(progress), None)
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for the part
            outcome = (None, error)
        connection.send(outcome)


def _end_with(parent: int) -> None:
    """End a worker that nobody waits for any more, whatever it is at."""
    never = threading.Event()
    while os.getppid() == parent:
        never.wait(_LOOK_EVERY_S)
    os._exit(1)
