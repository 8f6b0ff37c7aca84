"""Work on many domains, on all CPUs or on a Dask cluster, with its progress told."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from autoscaler.cli.progress import progress
from autoscaler.service.rehearsal_chunks import share_out
from autoscaler.service.rehearsal_cluster import on_cluster
from autoscaler.service.rehearsal_processes import cpus, on_all_cpus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.replay.circumstances import Circumstances
    from autoscaler.replay.trace import Trace
    from autoscaler.service.rehearsal_chunks import Part

T = TypeVar("T")


def on_every_domain(
    what: str,
    traces: Sequence[Trace],
    circumstances: Circumstances,
    part: Callable[[tuple[Trace, ...]], Part[list[T]]],
    *,
    jobs: int | None,
    scheduler: str | None,
) -> list[T]:
    """What comes of each domain, in the traces' order; `what` names the work in its progress."""

    def parts(workers: int) -> list[Part[list[T]]]:
        groups = share_out(traces, circumstances, workers=workers)
        return [part(group) for group in groups]

    total = sum(piece.domain_steps for piece in parts(1))
    done = 0
    with progress(what) as tell:

        def more(domain_steps: int) -> None:
            nonlocal done
            done += domain_steps
            tell(done, total)

        if scheduler is not None:
            found = on_cluster(parts, scheduler, progress=more)
        else:
            found = on_all_cpus(parts(cpus(jobs)), progress=more, processes=jobs)
    return [one for several in found for one in several]
