"""Places for calls that may hold a libvirtd for long, on a few connections of their own.

A libvirtd has 20 workers and takes 5 requests of one connection at a time; what comes beyond waits behind
calls that may never return. So each kind of call has a fixed number of places, and a call that finds none is
told so instead of waiting unseen.
"""

from __future__ import annotations

import itertools
import queue
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autoscaler.backends.libvirt.link import LibvirtLink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.ports import Clock


class Places:
    """So many places on so many connections, which are opened when first used."""

    def __init__(self, uri: str, *, clock: Clock, connections: int, calls: int) -> None:
        """Allow `calls` at once on each of `connections`."""
        self._links = [LibvirtLink(uri, clock=clock) for _ in range(connections)]
        self._free: queue.SimpleQueue[LibvirtLink] = queue.SimpleQueue()
        # Round and round, so that calls spread over the connections.
        for link in itertools.chain.from_iterable(itertools.repeat(self._links, calls)):
            self._free.put(link)

    @contextmanager
    def taken(self, *, patience_s: float) -> Iterator[LibvirtLink]:
        """One place, for the block.

        Raises:
            TimeoutError: none became free within `patience_s`.
        """
        try:
            link = self._free.get(timeout=max(0.0, patience_s))
        except queue.Empty:
            raise TimeoutError from None
        try:
            yield link
        finally:
            self._free.put(link)

    def close(self) -> None:
        """Let go of the connections; calls still out end by themselves."""
        for link in self._links:
            link.close()
