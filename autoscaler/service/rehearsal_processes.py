"""Work on all CPUs of this machine: its parts among processes, each a fresh interpreter.

Invariants: the result is that of one process, to the last digit; no process outlives the call or the caller.
"""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeVar

from autoscaler.ports import AutoscalerError
from autoscaler.service.rehearsal_chunks import chunks, put_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
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
    count = cpus(processes)
    if count == 1 or len(parts) <= 1:
        return [part.run(progress) for part in parts]
    # A process that is forked would inherit locks that threads of this one hold.
    context = get_context("spawn")
    over, stop = context.Value("q", 0), context.Value("b", 0)
    pool = ProcessPoolExecutor(
        min(count, len(parts)), mp_context=context, initializer=_begin, initargs=(over, stop, os.getpid())
    )
    try:
        with _deaf_to_interrupts():
            work = {pool.submit(_run, part): number for number, part in enumerate(parts)}
        return _gathered(work, over, progress or (lambda _: None))
    except BrokenProcessPool as error:
        raise WorkerLost(
            "a process of the replay ended before its work: it was killed, or memory ran out (see `dmesg`); "
            "replay fewer domains at a time, or in fewer processes"
        ) from error
    except BaseException:
        stop.value = 1
        raise
    finally:
        pool.shutdown(cancel_futures=True)


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
    work: dict[Future[T], int], over: Synchronized[int], progress: Callable[[int], None]
) -> list[T]:
    """What came of each part, by its number; tells how far all are meanwhile."""
    left, told = set(work), 0
    done: dict[int, T] = {}
    while left:
        ready, left = wait(left, timeout=_LOOK_EVERY_S, return_when=FIRST_COMPLETED)
        for future in ready:
            done[work.pop(future)] = future.result()
        now = over.value
        progress(now - told)
        told = now
    return [done[number] for number in sorted(done)]


_over: Synchronized[int]
"""In a worker: steps that are over in all of them."""


def _begin(over: Synchronized[int], stop: Synchronized[int], parent: int) -> None:
    """Make a process a worker."""
    global _over  # noqa: PLW0603 - what a pool's initializer is for
    threading.Thread(target=_end_with, args=(parent, stop), daemon=True).start()
    _over = over


def _end_with(parent: int, stop: Synchronized[int]) -> None:
    """End a worker that nobody waits for any more, whatever it is at."""
    never = threading.Event()
    while os.getppid() == parent and not stop.value:
        never.wait(_LOOK_EVERY_S)
    os._exit(1)


def _run(part: Part[T]) -> T:
    def progress(domain_steps: int) -> None:
        with _over.get_lock():
            _over.value += domain_steps

    return part.run(progress)
