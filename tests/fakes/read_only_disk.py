"""A disk that becomes read-only under SQLite while its files are open, and may become writable again.

No mount can be made read-only while a file on it is open for writing, and one whose disk failed does not
come back to those who have its files open. So SQLite's own calls of the kernel answer as for such a disk.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

_POINTERS = ("next", "name", "data", *(f"call_{number}" for number in range(12)), "time_int64")
_CALLS = {
    "write": ctypes.CFUNCTYPE(
        ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, use_errno=True
    ),
    "pwrite": ctypes.CFUNCTYPE(
        ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long, use_errno=True
    ),
    "ftruncate": ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_long, use_errno=True),
}
_CALLS["pwrite64"] = _CALLS["pwrite"]
_SET_CALL = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)


class _Vfs(ctypes.Structure):
    """The head of SQLite's `sqlite3_vfs`, version 3."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_bytes", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in _POINTERS),
        ("set_system_call", _SET_CALL),
    )


def library() -> Path | None:
    """The SQLite that this process has loaded; None: it is part of the interpreter."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next((Path(line.split()[-1]) for line in lines if "libsqlite3" in line), None)


needs_library = pytest.mark.skipif(library() is None, reason="SQLite is part of the Python binary")


@contextlib.contextmanager
def read_only_disk() -> Iterator[None]:
    """Have every write of SQLite in this process fail as on a read-only file system, for the block."""
    sqlite = ctypes.CDLL(str(library()))
    sqlite.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
    vfs = sqlite.sqlite3_vfs_find(None)

    def refuse(*_: int) -> int:
        ctypes.set_errno(errno.EROFS)
        return -1

    refusing = {name: kind(refuse) for name, kind in _CALLS.items()}
    for name, call in refusing.items():
        vfs.contents.set_system_call(vfs, name.encode(), ctypes.cast(call, ctypes.c_void_p))
    try:
        yield
    finally:
        for name in refusing:
            vfs.contents.set_system_call(vfs, name.encode(), None)
