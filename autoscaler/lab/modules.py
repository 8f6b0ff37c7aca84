"""Finds the kernel modules that the guest needs, in an order in which they load.

A kernel package carries no modules.dep (depmod writes that on installation), so the order comes from the
``depends=`` field that each module carries: it differs between kernels of one stable series. Invariant: a
module comes after everything it depends on, and nothing that is built into the kernel is listed.
"""

from __future__ import annotations

import gzip
import lzma
import re
import zlib
from pathlib import Path

from autoscaler.lab import programs
from autoscaler.lab.errors import LabError

WANTED = ("virtio_pci", "virtio_console")
"""Enough for virtio-serial ports on a PCI machine; everything else the guest needs is built in everywhere."""

_DEPENDS = re.compile(rb"(?:\A|\0)depends=([^\0]*)\0")
_SUFFIX = re.compile(r"\.ko(\.(xz|zst|gz))?$")


def load_order(folder: Path, wanted: tuple[str, ...] = WANTED) -> list[tuple[str, bytes]]:
    """Return (name, uncompressed content) of the `wanted` modules and all they need, dependencies first.

    Args:
        folder: a kernel's module folder, such as /lib/modules/6.1.0-30-cloud-amd64.
        wanted: module names with underscores.

    Raises:
        LabError: a module is neither in `folder` nor built into that kernel, or cannot be unpacked.
    """
    files = {_name(path): path for path in sorted(folder.rglob("*.ko*")) if _SUFFIX.search(path.name)}
    built_in = _built_in(folder)
    order: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in order or name in built_in:
            return
        if name not in files:
            raise LabError(
                f"The kernel module {name} is not in {folder} and not listed in its modules.builtin: "
                "name the folder that belongs to the kernel with --modules."
            )
        content = _unpacked(files[name])
        for dependency in _dependencies(content):
            add(dependency)
        order[name] = content

    for name in wanted:
        add(name)
    return list(order.items())


def _name(path: Path) -> str:
    return _SUFFIX.sub("", path.name).replace("-", "_")


def _built_in(folder: Path) -> set[str]:
    try:
        listed = (folder / "modules.builtin").read_text().split()
    except FileNotFoundError:
        return set()
    return {_name(Path(line)) for line in listed}


def _dependencies(content: bytes) -> list[str]:
    found = _DEPENDS.search(content)
    names = found[1].decode("ascii", "replace").split(",") if found else []
    return [name.replace("-", "_") for name in names if name]


def _unpacked(path: Path) -> bytes:
    packed = path.read_bytes()
    try:
        match path.suffix:
            case ".xz":
                return lzma.decompress(packed)
            case ".gz":
                return gzip.decompress(packed)
            case ".zst":
                return _unpacked_zstd(path, packed)
            case _:
                return packed
    except (lzma.LZMAError, OSError, EOFError, zlib.error) as error:
        raise LabError(
            f"The kernel module {path} cannot be unpacked ({error}): delete it and try again."
        ) from error


def _unpacked_zstd(path: Path, packed: bytes) -> bytes:
    """Python reads zstd by itself only from 3.14 on."""
    if programs.find("zstd") is None:
        raise LabError(f"The kernel module {path} is compressed with zstd: apt-get install zstd.")
    done = programs.run(["zstd", "-dc"], stdin=packed)
    if done.returncode:
        raise OSError(done.stderr.decode(errors="replace").strip())
    return done.stdout
