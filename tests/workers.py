"""How workers share the tests out, and when one of them waits for the others.

A worker takes a room at a time: a module, what of the contract is held against one backend, whose guests
take seconds to boot, or all that shares the machine with Debian. Invariant: beside a test whose guest wants
all of the host's CPUs (marker `whole_host`) no other test with a guest runs.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

from tests.contract.abilities import ABILITIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

TESTS = Path(__file__).parent


class RoomScheduling(LoadScopeScheduling):  # type: ignore[misc] # it has no types
    """Hands out rooms in the order in which their first tests stand."""

    def _split_scope(self, nodeid: str) -> str:
        return room(nodeid)


def room(nodeid: str) -> str:
    """The room of a test."""
    path, _, name = nodeid.partition("::")
    if "debian" in Path(path).parts:
        return str(Path(path).parent)
    if "contract" not in Path(path).parts:
        return path
    values = name.partition("[")[2]
    # One backend's name may begin another's.
    return max((backend for backend in ABILITIES if backend in values), key=len, default=path)


@contextmanager
def turn(item: pytest.Item, folder: Path = TESTS) -> Iterator[None]:
    """Wait until a test may run beside those with guests that others run who go by the same folder."""
    if item.get_closest_marker("guest") is None:
        yield
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX if item.get_closest_marker("whole_host") else fcntl.LOCK_SH)
        yield
    finally:
        os.close(opened)
