"""Builds the guest image: a kernel and an initrd with busybox, the guest agent and the lab's own scripts.

Invariant: an image is named by the digest of everything in it, so a cached one is never stale, and the same
parts always give the same bytes.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from autoscaler.lab import cpio, sources
from autoscaler.lab.cache import cache_folder, cached
from autoscaler.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SCRIPTS = {
    "init": "init",
    "common": "lib/lab/common",
    "agent": "lib/lab/agent",
    "onlining": "lib/lab/onlining",
    "load": "lib/lab/load",
    "shutdown": "sbin/shutdown",
}
"""Script in this package's ``guest`` folder to its path in the image."""

_FOLDERS = ("bin", "dev", "etc/qemu", "proc", "run", "sys", "tmp", "usr/bin", "usr/sbin", "var/run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A kernel and its initrd, ready to boot."""

    kernel: Path
    initrd: Path


def build_image(
    progress: Callable[[str], None] = lambda _: None,
    *,
    kernel: Path | None = None,
    modules: Path | None = None,
) -> Image:
    """Return the guest image, building it in the cache where it is not there yet.

    Args:
        progress: told in a few words what takes time; not called when the image is cached.
        kernel: a bzImage to boot instead of the distribution's packaged kernel; busybox and qemu-ga are then
            taken from this host.
        modules: that kernel's module folder; needed with `kernel` and only then.

    Raises:
        LabError: a part is missing; the text says what to install or name.
    """
    if (kernel is None) != (modules is None):
        raise LabError("A kernel and its modules go together: give both --kernel VMLINUZ and --modules DIR.")
    cache = cache_folder()
    if kernel is None or modules is None:
        parts = sources.from_packages(cache, progress)
    else:
        parts = sources.from_host(kernel, modules)
    packed = cpio.archive(_contents(parts))
    with parts.kernel.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
    digest.update(packed)

    def fill(folder: Path) -> None:
        progress("packing the guest image")
        shutil.copyfile(parts.kernel, folder / "vmlinuz")
        # As it is: an emulated guest takes longer to unpack it than the host to read it.
        (folder / "initrd").write_bytes(packed)

    folder = cached(cache / f"guest-image-{digest.hexdigest()[:16]}", fill)
    return Image(kernel=folder / "vmlinuz", initrd=folder / "initrd")


def _contents(parts: sources.Parts) -> list[cpio.Entry]:
    scripts = resources.files("autoscaler.lab") / "guest"
    needed = dict.fromkeys((*sources.libraries(parts.busybox), *sources.libraries(parts.agent)))
    return [
        *(cpio.folder(path) for path in _FOLDERS),
        *(
            cpio.file(target, (scripts / name).read_bytes(), executable=True)
            for name, target in _SCRIPTS.items()
        ),
        cpio.file("bin/busybox", parts.busybox.read_bytes(), executable=True),
        cpio.file("usr/sbin/qemu-ga", parts.agent.read_bytes(), executable=True),
        *(cpio.file(str(path).lstrip("/"), path.read_bytes(), executable=True) for path in needed),
        *(
            cpio.file(f"lib/modules/{number:02}-{name}.ko", content)
            for number, (name, content) in enumerate(parts.modules)
        ),
    ]
