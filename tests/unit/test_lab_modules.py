"""The order in which kernel modules load."""

from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from autoscaler.lab.errors import LabError
from autoscaler.lab.modules import load_order

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def module(name: str, *depends: str) -> bytes:
    """As a compiled module carries it: fields ended by NUL among other bytes."""
    return b"\x7fELF\0license=GPL\0depends=%s\0name=%s\0\xff" % (",".join(depends).encode(), name.encode())


def write(folder: Path, modules: dict[str, tuple[str, ...]]) -> None:
    place = folder / "kernel/drivers/virtio"
    place.mkdir(parents=True)
    for name, depends in modules.items():
        (place / f"{name}.ko").write_bytes(module(name, *depends))


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        pytest.param(
            {"virtio": ("virtio_ring",), "virtio_ring": (), "virtio_pci": ("virtio", "virtio_ring")},
            ["virtio_ring", "virtio", "virtio_pci"],
            id="one kernel wants the ring first",
        ),
        pytest.param(
            {"virtio": (), "virtio_ring": ("virtio",), "virtio_pci": ("virtio_ring", "virtio")},
            ["virtio", "virtio_ring", "virtio_pci"],
            id="another of the same series wants it second",
        ),
        pytest.param({"virtio-pci": ()}, ["virtio_pci"], id="a file name with a dash is the same module"),
    ],
)
def test_a_module_comes_after_all_it_depends_on(
    tmp_path: Path, modules: dict[str, tuple[str, ...]], expected: list[str]
) -> None:
    write(tmp_path, modules)
    assert [name for name, _ in load_order(tmp_path, ("virtio_pci",))] == expected


def test_what_is_built_into_the_kernel_is_not_loaded(tmp_path: Path) -> None:
    write(tmp_path, {"virtio_console": ("virtio",)})
    (tmp_path / "modules.builtin").write_text("kernel/drivers/virtio/virtio.ko\nkernel/x/virtio-pci.ko\n")
    assert [name for name, _ in load_order(tmp_path)] == ["virtio_console"]


def _zstd(content: bytes) -> bytes:
    program = shutil.which("zstd")
    assert program, "the tests need zstd: apt-get install zstd"
    return subprocess.run([program, "-c"], input=content, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        pytest.param(".ko", bytes, id="plain"),
        pytest.param(".ko.xz", lzma.compress, id="xz"),
        pytest.param(".ko.gz", gzip.compress, id="gzip"),
        pytest.param(".ko.zst", _zstd, id="zstd"),
    ],
)
def test_a_compressed_module_is_unpacked(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    content = module("virtio")
    (tmp_path / f"virtio{suffix}").write_bytes(pack(content))
    assert load_order(tmp_path, ("virtio",)) == [("virtio", content)]


@pytest.mark.parametrize("suffix", [".ko.xz", ".ko.gz", ".ko.zst"])
def test_a_damaged_module_is_named(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"virtio{suffix}").write_bytes(b"damaged")
    with pytest.raises(LabError, match=rf"virtio{suffix} cannot be unpacked"):
        load_order(tmp_path, ("virtio",))


def test_a_missing_dependency_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"virtio_pci": ("virtio",)})
    with pytest.raises(LabError, match="module virtio is not in"):
        load_order(tmp_path, ("virtio_pci",))
