"""The file descriptors of a QEMU, and the files that lead to its process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from autoscaler.backends.descriptors import EVERY_S, DescriptorWatch, read_descriptors
from autoscaler.backends.libvirt.pid_files import PidFiles
from autoscaler.core.model import Descriptors

if TYPE_CHECKING:
    from pathlib import Path


def process(proc: Path, *, limit: str = "1024") -> int:
    home = proc / "42"
    (home / "fd").mkdir(parents=True)
    for number in range(7):
        (home / "fd" / str(number)).touch()
    (home / "limits").write_text(
        "Limit                     Soft Limit           Hard Limit           Units\n"
        f"Max open files            {limit:<20} 1048576              files\n"
    )
    return 42


def test_what_is_open_is_counted_against_the_limit(tmp_path: Path) -> None:
    assert read_descriptors(process(tmp_path), proc=tmp_path) == Descriptors(open=7, limit=1024)


@pytest.mark.parametrize("pid", [0, 43], ids=["not known", "gone"])
def test_a_process_that_cannot_be_seen_has_no_figure(tmp_path: Path, pid: int) -> None:
    process(tmp_path)

    assert read_descriptors(pid, proc=tmp_path) is None


def test_a_process_without_a_limit_has_no_figure(tmp_path: Path) -> None:
    assert read_descriptors(process(tmp_path, limit="unlimited"), proc=tmp_path) is None


def test_a_reading_is_made_anew_when_it_is_old() -> None:
    watch = DescriptorWatch(os.getpid)
    first = watch.at(100.0)
    assert first is not None
    with open(os.devnull, "rb"):  # noqa: PTH123 - to have one more open
        assert watch.at(100.0 + EVERY_S / 2) == first
        later = watch.at(100.0 + EVERY_S)
        assert later is not None
        assert later.open == first.open + 1


def test_the_process_of_a_libvirt_domain_is_found_by_libvirts_own_file(tmp_path: Path) -> None:
    (tmp_path / "run/qemu").mkdir(parents=True)
    (tmp_path / "run/qemu/web.pid").write_text(f"{os.getpid()}\n")
    files = PidFiles(f"qemu:///embed?root={tmp_path}")

    assert files.descriptors("web", 100.0) is not None
    assert files.descriptors("db", 100.0) is None
    assert files.descriptors("../qemu/web", 100.0) is None
    files.keep_only(["db"])


@pytest.mark.parametrize("uri", ["qemu+ssh://far/system", "test:///default", "qemu:///embed"])
def test_a_host_that_is_not_this_one_has_no_files_here(uri: str) -> None:
    assert PidFiles(uri).descriptors("web", 100.0) is None
