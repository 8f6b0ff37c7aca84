"""What tells a file from another in its place, and from itself before its bytes or its rights changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from pathlib import Path

Stamp = tuple[int, ...]


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of a file that was looked at."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def stamp_at(path: Path) -> Stamp | None:
    """The stamp of the file that is there now; None: none can be seen."""
    try:
        return stamp_of(path.stat())
    except OSError:
        return None
