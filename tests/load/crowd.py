"""A thousand guests in processes of their own, so that what they cost is not taken for the service's."""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

from tests.load.guests import serve

A_PROCESS = 125
"""Guests in each process: few, for the service counts the files that the process of each guest has open."""
FILES_OF_GUEST = 4
"""That its process has open: two sockets to listen at, and a connection to each."""
FILES_OF_DOMAIN = 2
"""That the service has open for it: QEMU and agent."""
OTHER_FILES = 200
"""That either has open besides."""


class Crowd:
    """Speaks to the processes that hold the guests."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes

    def hang(self, share: float) -> None:
        """Have the agents of such a share of the guests answer nothing from now on."""
        self._ask("hang", share)

    def take_samplings(self) -> list[list[float]]:
        """When each guest whose agent does not hang was sampled since the last call (`time.monotonic`)."""
        return [moments for part in self._ask("take_samplings") for moments in part]

    def _ask(self, *question: object) -> list[list[list[float]]]:
        for pipe in self._pipes:
            pipe.send(question)
        return [pipe.recv() for pipe in self._pipes]


@contextlib.contextmanager
def crowd(folder: Path, count: int) -> Iterator[Crowd]:
    """Run so many guests, ``guest-0000`` and so on, for the block."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as running:
        pipes = []
        for first in range(0, count, A_PROCESS):
            here, there = multiprocessing.Pipe()
            numbers = range(first, min(first + A_PROCESS, count))
            process = context.Process(target=serve, args=(folder, numbers, there))
            process.start()
            running.callback(_end, process, here)
            there.close()
            pipes.append(here)
        for pipe in pipes:
            assert pipe.poll(60), "the guests did not start"
            pipe.recv()
        yield Crowd(pipes)


def _end(process: multiprocessing.process.BaseProcess, pipe: Connection) -> None:
    pipe.close()
    process.join(timeout=30)
    process.kill()


def allow_files(guests: int) -> None:
    """Let this process and those that it starts have as many files open as so many guests need.

    Raises:
        SystemExit: they may not; the text says what to do.
    """
    needed = OTHER_FILES + max(FILES_OF_GUEST * min(guests, A_PROCESS), FILES_OF_DOMAIN * guests)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY not in (soft, hard) and hard < needed:
        raise SystemExit(
            f"{guests} guests need {needed} open files in a process, and {hard} are all that this user may "
            f"have: as root, `ulimit -n {needed}` in the shell that starts this, or `nofile` in "
            f"/etc/security/limits.conf for good"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
