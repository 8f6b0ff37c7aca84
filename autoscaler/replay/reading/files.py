"""Finds the files of a trace, and opens them whatever lies under their names.

Invariant: looking ends: no link of folders is followed, no open waits, and what is left out is said.
"""

from __future__ import annotations

import gzip
import os
import stat
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedIOBase

    from autoscaler.replay.findings import Problems, Repairs

MOST_FILES = 10_000
_BESIDE = ("license", "licence", "copying", "notice", "readme")
"""How files begin that lie beside data and hold none."""
_GZIP = b"\x1f\x8b"
_MAGIC_BYTES = 4


def find_files(
    paths: Sequence[Path], leave_out: Sequence[str], problems: Problems, repairs: Repairs
) -> list[Path]:
    """All files that the paths mean, those of folders in the order of their names.

    Args:
        paths: Files, and folders that are searched with all theirs.
        leave_out: Patterns of names, as in a shell, of files in folders that are not to be read.
        problems: Where a path that leads nowhere is noted.
        repairs: Where what is left out is noted.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if not os.path.exists(path):  # noqa: PTH110 - says no, where pathlib raises
            problems.add(str(path), None, "there is no such file or folder")
            continue
        folder = path.is_dir()
        for file in _of_folder(path, leave_out, problems, repairs) if folder else (path,):
            if found.setdefault(os.path.realpath(file), file) is not file:
                repairs.note(str(file), "the file is named twice and read once")
            if len(found) > MOST_FILES:
                problems.add(str(path), None, f"there are over {MOST_FILES} files; read fewer at a time")
                return []
    return list(found.values())


def _of_folder(
    folder: Path, leave_out: Sequence[str], problems: Problems, repairs: Repairs
) -> Iterator[Path]:
    def closed(error: OSError) -> None:
        problems.add(str(error.filename), None, f"the folder cannot be read: {error.strerror}")

    for here, folders, names in os.walk(folder, onerror=closed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(here, name)
            if any(fnmatchcase(name, pattern) for pattern in leave_out):
                repairs.note(str(file), "left out as asked")
            elif name.startswith(".") or name.lower().startswith(_BESIDE):
                repairs.note(str(file), "left out: by its name it holds no demand")
            else:
                yield file


@contextmanager
def opened(path: Path) -> Iterator[tuple[bytes, BufferedIOBase]]:
    """Open a regular file: its first bytes, and what it holds, unpacked if those say gzip.

    Raises:
        OSError: when it cannot be opened, or is no regular file.
    """
    # Without O_NONBLOCK, a FIFO under this name would hold the reader for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is not a regular file")
        first = file.peek(_MAGIC_BYTES)[:_MAGIC_BYTES]
        if first.startswith(_GZIP):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield first, unpacked
        else:
            yield first, file
