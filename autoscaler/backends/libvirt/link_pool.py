"""A few connections of one kind, each lent to one caller at a time; see `autoscaler.backends.libvirt.link`.

The one that was used last is lent first, so that there are only as many as are needed at once.
"""

from __future__ import annotations

import queue
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autoscaler.backends.libvirt.link import LibvirtLink
from autoscaler.core.named import virsh
from autoscaler.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.ports import Clock


class LinkPool:
    """Links to one URI; any thread may use it."""

    def __init__(self, uri: str, *, clock: Clock, places: int, read_only: bool = False) -> None:
        """Remember how to connect; nothing is opened yet."""
        self._uri = uri
        self._links = [LibvirtLink(uri, clock=clock, read_only=read_only) for _ in range(places)]
        self._free: queue.LifoQueue[LibvirtLink] = queue.LifoQueue()
        for link in self._links:
            self._free.put(link)

    @contextmanager
    def lease(self, patience_s: float) -> Iterator[LibvirtLink]:
        """Lend a link for the block.

        Raises:
            BackendUnavailable: none became free within `patience_s`; nothing was asked.
        """
        try:
            link = self._free.get(timeout=max(0.0, patience_s))
        except queue.Empty:
            raise BackendUnavailable(
                f"all {len(self._links)} connections for such calls to {self._uri} wait for guests or QEMU "
                f"processes that do not answer: see whether `{virsh(self._uri, 'list')}` does"
            ) from None
        try:
            yield link
        finally:
            self._free.put(link)

    def close(self) -> None:
        """Let go of the connections; calls still out end by themselves."""
        for link in self._links:
            link.close()
