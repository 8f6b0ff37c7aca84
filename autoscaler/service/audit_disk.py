"""Brings the audit log from the kernel to the disk, on a thread of its own: no tick waits for a disk.

Invariant: what was written is on the disk soon after, or `trouble` says that it is not, and it is tried
again.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress

_log = logging.getLogger("autoscaler")

_AGAIN_S = 5.0
"""Until the next try, where a disk failed."""


class DiskSync:
    """Calls fsync for files and folders; one that waits for it is synced once, however often asked for."""

    def __init__(self) -> None:
        self.trouble = ""
        """Why the last try failed; empty: it did not."""
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._closed = False
        self._waiting: dict[tuple[int, int], int] = {}
        """Descriptors of its own, by device and inode."""
        self._thread = threading.Thread(target=self._run, name="audit-sync", daemon=True)
        self._thread.start()

    def ask(self, descriptor: int) -> None:
        """Have what was written through this descriptor on the disk soon; it may be closed meanwhile."""
        found = os.fstat(descriptor)
        with self._lock:
            if (found.st_dev, found.st_ino) not in self._waiting:
                self._waiting[found.st_dev, found.st_ino] = os.dup(descriptor)
        self._wanted.set()

    def close(self) -> None:
        """Sync what waits, and end; a disk that hangs is not waited for long."""
        self._closed = True
        self._wanted.set()
        self._thread.join(timeout=3)

    def _run(self) -> None:
        while True:
            self._wanted.wait(_AGAIN_S if self.trouble else None)
            self._wanted.clear()
            closed = self._closed
            self._sync()
            if closed:
                return

    def _sync(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        trouble = ""
        for key, descriptor in waiting.items():
            try:
                os.fsync(descriptor)
            except OSError as error:
                trouble = str(error.strerror)
                with self._lock:
                    if self._waiting.setdefault(key, descriptor) == descriptor:
                        continue
            with suppress(OSError):
                os.close(descriptor)
        if trouble != self.trouble:
            self.trouble = trouble
            if trouble:
                _log.error("audit: what was written may not be on the disk (%s)", trouble)
            else:
                _log.info("audit: what was written is on the disk")
