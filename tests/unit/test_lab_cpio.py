"""The initrd's archive, read back by a reader that follows the format's description."""

from __future__ import annotations

import stat

import pytest

from autoscaler.lab import cpio


def read(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Path to (mode, content), in the archive's order."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        header = archive[at : at + 110]
        assert header[:6] == b"070701"
        fields = [int(header[6 + 8 * number : 14 + 8 * number], 16) for number in range(13)]
        name = archive[at + 110 : at + 110 + fields[11]]
        assert name.endswith(b"\0")
        start = (at + 110 + fields[11] + 3) // 4 * 4
        if name == b"TRAILER!!!\0":
            assert len(archive) % 4 == 0
            return found
        found[name[:-1].decode()] = (fields[1], archive[start : start + fields[6]])
        at = (start + fields[6] + 3) // 4 * 4


@pytest.mark.parametrize("length", [pytest.param(n, id=f"{n} bytes") for n in (0, 1, 2, 3, 4, 5, 65537)])
def test_a_file_reads_back_whatever_its_length(length: int) -> None:
    content = bytes(number % 251 for number in range(length))
    assert read(cpio.archive([cpio.file("some/file", content)]))["some/file"][1] == content


def test_every_folder_comes_once_and_before_what_it_holds() -> None:
    entries = [cpio.file("a/b/one", b"1"), cpio.file("a/b/two", b"2"), cpio.folder("a"), cpio.folder("a/c")]
    assert list(read(cpio.archive(entries))) == ["a", "a/b", "a/b/one", "a/b/two", "a/c"]


def test_only_what_is_executable_says_so() -> None:
    found = read(cpio.archive([cpio.file("run", b"", executable=True), cpio.file("data", b"")]))
    assert stat.filemode(found["run"][0]) == "-rwxr-xr-x"
    assert stat.filemode(found["data"][0]) == "-rw-r--r--"


def test_the_same_entries_give_the_same_bytes() -> None:
    entries = [cpio.file("x", b"content"), cpio.folder("y")]
    assert cpio.archive(entries) == cpio.archive(entries)
