"""Work on the machines of a Dask cluster, which need this package, and nothing else, installed.

A worker that dies costs time: its chunks are done anew by another. Whoever can reach a scheduler can run code
on its workers and, by its answers, here: use one that is yours, on a network that is.

Invariants: the result is that of one process, to the last digit; nothing here waits for ever for a cluster
that is not there, or no longer.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from autoscaler.errors import AutoscalerError
from autoscaler.service.clock import SystemClock
from autoscaler.service.rehearsal_chunks import chunks, put_together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.core.policy import PolicySet
    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.course import Course
    from autoscaler.replay.trace import Trace
    from autoscaler.service.rehearsal_chunks import Part

T = TypeVar("T")

CONNECT_S = 10.0
"""Within this time a scheduler has to answer."""
WITHOUT_WORKERS_S = 60.0
"""For so long a cluster may be without a worker before it is given up."""
_LOOK_EVERY_S = 1.0


class ClusterUnavailable(AutoscalerError):
    """The cluster cannot be used, or was lost."""


def rehearse_on_cluster(
    traces: Sequence[Trace],
    policies: PolicySet,
    circumstances: Circumstances,
    *,
    scheduler: str,
    progress: Callable[[int], None] | None = None,
) -> list[Course]:
    """As `rehearse`, on the workers of this scheduler (``tcp://HOST:PORT``).

    Raises:
        CannotRehearse, RehearsalFault: as `rehearse`.
        ClusterUnavailable: there is no such cluster, it has no workers, or it was lost.
    """
    found = on_cluster(
        lambda workers: chunks(traces, policies, circumstances, workers=workers), scheduler, progress=progress
    )
    return put_together(traces, found)


def on_cluster(
    parts_for: Callable[[int], Sequence[Part[T]]],
    scheduler: str,
    *,
    progress: Callable[[int], None] | None = None,
) -> list[T]:
    """What comes of each part, in their order; `parts_for` is asked for the parts for so many workers.

    Raises:
        AutoscalerError: what a part raised.
        ClusterUnavailable: there is no such cluster, it has no workers, or it was lost.
    """
    clock = SystemClock()
    with _connected(scheduler) as client:
        threads = _threads(client, scheduler)
        parts = parts_for(max(1, threads))
        work = {client.submit(_run, part, pure=False): number for number, part in enumerate(parts)}
        done: dict[int, T] = {}
        alone_since_s: float | None = None
        while work:
            for future in _ready(list(work)):
                found: tuple[T] | None = _result(future, scheduler)
                if found is not None:
                    number = work.pop(future)
                    done[number] = found[0]
                    if progress is not None:
                        progress(parts[number].domain_steps)
            now_s = clock.monotonic_s()
            alone_since_s = None if _threads(client, scheduler) else alone_since_s or now_s
            if alone_since_s is not None and now_s - alone_since_s > WITHOUT_WORKERS_S:
                raise ClusterUnavailable(
                    f"the Dask scheduler at {scheduler} has had no worker for {WITHOUT_WORKERS_S:g} s: start "
                    f"some with `dask worker {scheduler}`"
                )
        return [done[number] for number in sorted(done)]


def _run(part: Part[T]) -> tuple[T]:
    """In a tuple, to tell what came of it from nothing."""
    return (part.run(),)


def _connected(scheduler: str) -> Any:  # noqa: ANN401 - the library ships no types
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ClusterUnavailable(
            "a replay on a Dask cluster needs more than is installed: pip install 'vcpu-autoscaler[dask]'"
        ) from error
    made: SimpleQueue[Any] = SimpleQueue()

    def connect() -> None:
        try:
            made.put(Client(scheduler, timeout=CONNECT_S))  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            made.put(error)

    # The library waits without end for a peer that takes the connection and says nothing.
    threading.Thread(target=connect, name="dask-connect", daemon=True).start()
    try:
        client = made.get(timeout=CONNECT_S + _LOOK_EVERY_S)
    except Empty as error:
        client = error
    if isinstance(client, Exception):
        raise ClusterUnavailable(
            f"no Dask scheduler answered at {scheduler} within {CONNECT_S:g} s: start one with `dask "
            "scheduler`, which prints its address"
        ) from client
    return client


def _threads(client: Any, scheduler: str) -> int:  # noqa: ANN401 - as above
    """How many threads the cluster's workers have now."""
    try:
        by_worker = client.sync(client.scheduler.ncores, callback_timeout=CONNECT_S)
    except Exception as error:
        raise ClusterUnavailable(
            f"the Dask scheduler at {scheduler} answers no more ({error!r}): start it, and the replay, again"
        ) from error
    return sum(by_worker.values())


def _ready(futures: list[Any]) -> set[Any]:
    """The futures that are done by now, after a while at most."""
    from distributed import wait  # noqa: PLC0415 - as above

    try:
        done = wait(  # type: ignore[no-untyped-call]
            futures, timeout=_LOOK_EVERY_S, return_when="FIRST_COMPLETED"
        ).done
    except TimeoutError:
        return set()
    return set(done)


def _result(future: Any, scheduler: str) -> Any:  # noqa: ANN401 - as above
    """What came of a chunk; None: whoever had it was lost meanwhile, and it is done anew."""
    try:
        found = future.result(timeout=CONNECT_S)
    except TimeoutError:
        return None
    except AutoscalerError:
        raise
    except Exception as error:
        raise ClusterUnavailable(
            f"a worker of the Dask scheduler at {scheduler} could not do its part ({error!r}): each needs "
            "this version of the package, `pip install 'vcpu-autoscaler[replay,dask]'`"
        ) from error
    return found
