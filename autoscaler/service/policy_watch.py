"""Notices that policy files changed, however that was done: edited, renamed over, swapped, gone and back.

The kernel tells that something happened in a folder, which is a reason to look, and never what is believed:
only other bytes count as a change. So nothing depends on the way in which an editor or a tool writes.

Invariant: a change is noticed within `LOOK_EVERY_S` though the kernel tells nothing: a folder that was not
there, a link far up the path, a network file system, no watches left.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import watchfiles
from watchfiles._rust_notify import RustNotify  # its documented lower half

from autoscaler.policyfile.load import fingerprint, policy_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger("autoscaler")

LOOK_EVERY_S = 5.0
_QUIET_MS = 200
"""A change is looked at when so long nothing more has happened: an editor takes several steps to save."""
_QUIET_AT_LAST_MS = 2000
"""... or after this time, where something happens without a pause."""


class PolicyWatch:
    """Calls `changed`, on a thread of its own, when the files are not as they were last read."""

    def __init__(
        self, paths: Sequence[Path], *, seen: Callable[[], str], changed: Callable[[], None]
    ) -> None:
        """`seen` is the fingerprint of the files as they were last read; see `policyfile.load`."""
        logging.getLogger("watchfiles").setLevel(logging.ERROR)  # what it would tell of is told here
        self._paths = paths
        self._seen = seen
        self._changed = changed
        self._deaf = False
        """Whether the kernel does not tell of changes."""
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="policy-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching; `changed` is not called any more."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._watch()
            except (OSError, RuntimeError) as error:  # its own errors are of the latter kind
                self._say_deaf(error)
                self._closed.wait(LOOK_EVERY_S)
                self._look()

    def _watch(self) -> None:
        """Look whenever something happens, until other folders are the ones to be watched."""
        folders = _folders(self._paths)
        watching = RustNotify(
            [str(folder) for folder in folders],
            debug=False,
            force_polling=False,
            poll_delay_ms=0,  # nothing is polled
            recursive=False,
            ignore_permission_denied=True,
        )
        with watching:
            self._deaf = False
            # What happened since the one before ended, neither has told.
            self._look()
            while _folders(self._paths) == folders:
                events = watching.watch(
                    _QUIET_AT_LAST_MS, _QUIET_MS, round(LOOK_EVERY_S * 1000), self._closed
                )
                if events == "stop":
                    return
                self._look()
                # One that was made anew may have the number of the one before, and is another all the same.
                if isinstance(events, set) and any(
                    change == watchfiles.Change.deleted and Path(path) in folders for change, path in events
                ):
                    return

    def _look(self) -> None:
        if not self._closed.is_set() and fingerprint(self._paths) != self._seen():
            self._changed()

    def _say_deaf(self, error: Exception) -> None:
        if not self._deaf:
            _log.warning(
                "policies: changes of the files are noticed only every %g s, for the kernel does not tell of "
                "them (%s): raise fs.inotify.max_user_instances and fs.inotify.max_user_watches",
                LOOK_EVERY_S,
                error,
            )
        self._deaf = True


def _folders(paths: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """The folders in which a change of the files shows, each with what tells it from another in its place.

    Those of the paths, of what they lead to, and of the files in them; and the ones above, where a folder is
    exchanged as a whole. Folders that are not there are left out.
    """
    wanted: dict[Path, None] = {}
    for path in paths:
        for found in (path, *policy_files([path])[0]):
            for name in (
                found,
                Path(os.path.realpath(found)),
            ):  # which, unlike resolve, bears a loop of links
                wanted |= dict.fromkeys((name, name.parent))
    return {folder: identity for folder in wanted if (identity := _identity(folder)) is not None}


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None
