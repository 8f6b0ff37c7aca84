"""The files of the audit log: a folder of them, each named by the number of its first line.

So a new file needs no other one renamed, and their order is that of their names. They are only ever read, and
added to at the end of the newest one.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

from autoscaler.errors import AuditUnavailable
from autoscaler.service.audit_chain import MOST_LINE_BYTES, read_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from autoscaler.service.audit_chain import Entry

_NAME = re.compile(r"\d{12}\.jsonl", re.ASCII)


def file_of(folder: Path, first: int) -> Path:
    """The file whose first line has this number."""
    return folder / f"{first:012}.jsonl"


def audit_files(folder: Path) -> list[Path]:
    """Those that are there, oldest first; none where there is no folder.

    Raises:
        AuditUnavailable: the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder, error) from error


def lines_of(folder: Path) -> Iterator[tuple[bytes, str]]:
    """Every line of every file with its newline, oldest first, and its place: file and line.

    What is longer than a line may be comes in pieces, none of which is a line. A file that is gone when its
    turn comes, as one that the service forgot, is passed over.

    Raises:
        AuditUnavailable: a file cannot be read.
    """
    for path in audit_files(folder):
        try:
            with _opened(path) as file:
                number = 0
                while line := file.readline(MOST_LINE_BYTES):
                    number += 1
                    yield line, f"{path.name}:{number}"
        except FileNotFoundError:
            continue
        except OSError as error:
            raise unreadable(path, error) from error


def first_entry(path: Path) -> Entry | None:
    """What the first line of a file says; None: no line is in it, or there is no such file.

    A write that was cut short may stand in front of it.
    """
    try:
        with _opened(path) as file:
            entries = map(read_line, iter(partial(file.readline, MOST_LINE_BYTES), b""))
            return next((entry for entry in entries if entry is not None), None)
    except OSError:
        return None


def outdated(folder: Path, *, before_wall_s: float, most_bytes: int) -> tuple[Sequence[Path], Sequence[Path]]:
    """The oldest files, as far as they are too old or too many, and those that stay: the newest always does.

    Args:
        folder: of the files.
        before_wall_s: a file is too old whose last line was written before that.
        most_bytes: that all together may have.

    Raises:
        OSError: a file cannot be looked at.
    """
    files = audit_files(folder)
    size = sum(path.stat().st_size for path in files)
    for count, (path, after) in enumerate(pairwise(files)):
        entry = first_entry(after)
        ended_s = None if entry is None else entry.get("at_wall_s")
        is_old = isinstance(ended_s, float) and ended_s < before_wall_s
        if not is_old and size <= most_bytes:
            return files[:count], files[count:]
        size -= path.stat().st_size
    return files[:-1], files[-1:]


def make_folder(folder: Path) -> None:
    """Make the folder, for its group to read, whatever the umask."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(0o750)


def unreadable(path: Path, error: OSError) -> AuditUnavailable:
    """Why it cannot be read, in a sentence."""
    return AuditUnavailable(
        f"the audit log {path} cannot be read ({error.strerror}): read it as root or as a member of the "
        "service's group"
    )


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; a pipe or a link that lies there instead neither hangs nor leads away."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is no regular file")
        yield file
