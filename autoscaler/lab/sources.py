"""Gets the guest's parts: a kernel with its modules, busybox and the guest agent.

On Debian and Ubuntu they are unpacked from the distribution's packages into the cache; elsewhere the kernel
is named by the caller and the programs are the host's. Invariant: nothing is installed, and root is not
needed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.lab import modules, programs
from autoscaler.lab.cache import cached
from autoscaler.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KERNEL_PACKAGES = ("linux-image-cloud-amd64", "linux-image-virtual")
"""The packages that follow the kernel made for guests: Debian's, then Ubuntu's."""

_KERNEL_PART = re.compile(r"linux-(image|base|binary|modules)(-unsigned)?-[0-9][\w.+-]*")
_KERNELS = ("boot/vmlinuz-*", "lib/modules/*/vmlinuz")
"""Where a kernel lies in its package; Debian moved it after release 13."""
_DOWNLOAD_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an image is made of."""

    kernel: Path
    """A bootable kernel (bzImage)."""
    modules: tuple[tuple[str, bytes], ...]
    """(name, content) of each module, in loading order."""
    busybox: Path
    agent: Path
    """The qemu-ga program."""


def from_packages(cache: Path, progress: Callable[[str], None]) -> Parts:
    """Return the parts of the distribution's own packages, downloaded at the first call only.

    Raises:
        LabError: this is no Debian or Ubuntu on x86-64, or a package cannot be had.
    """
    if programs.find("apt-get") is None or programs.find("dpkg") is None:
        raise LabError(
            "The guest image is made from Debian's or Ubuntu's packages and this host has no apt-get: "
            "name a kernel with --kernel VMLINUZ and its modules with --modules DIR."
        )
    if platform.machine() != "x86_64":
        raise LabError(
            f"The lab's guests are x86-64 and this host is {platform.machine()}: use an x86-64 host."
        )
    release = platform.freedesktop_os_release()
    folder = cache / f"packages-{release.get('ID', 'linux')}-{release.get('VERSION_ID', 'rolling')}"
    cached(folder, lambda filling: _download(filling, progress))
    return Parts(
        kernel=folder / "vmlinuz",
        modules=tuple((path.stem[3:], path.read_bytes()) for path in sorted(folder.glob("modules/*.ko"))),
        busybox=folder / "busybox",
        agent=folder / "qemu-ga",
    )


def from_host(kernel: Path, module_folder: Path) -> Parts:
    """Return the parts for a kernel of the caller's choice, with busybox and qemu-ga from this host's PATH.

    Raises:
        LabError: one of them is missing.
    """
    if not kernel.is_file() or not os.access(kernel, os.R_OK):
        raise LabError(f"There is no readable kernel at {kernel}: name a bzImage with --kernel.")
    if not module_folder.is_dir():
        raise LabError(f"There is no folder {module_folder}: name the kernel's module folder with --modules.")
    return Parts(
        kernel=kernel,
        modules=tuple(modules.load_order(module_folder)),
        busybox=_program("busybox", "busybox"),
        agent=_program("qemu-ga", "qemu-guest-agent"),
    )


def libraries(program: Path) -> list[Path]:
    """Return the shared libraries that `program` needs, as this host has them; none for a static one.

    Raises:
        LabError: the host lacks one.
    """
    listing = programs.run(["ldd", str(program)]).stdout.decode(errors="replace")
    missing = re.findall(r"(\S+) => not found", listing)
    if missing:
        packages = [name for name in _depends_of("qemu-guest-agent") if name.startswith("lib")]
        remedy = f"apt-get install {' '.join(packages)}" if packages else "install the package that has it"
        raise LabError(f"{program.name} needs {', '.join(missing)}, which this host lacks: {remedy}.")
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", listing)]


def _program(name: str, package: str) -> Path:
    found = programs.find(name)
    if found is None:
        raise LabError(
            f"{name} is not on this host, and the guest image needs it: install the package {package}."
        )
    return Path(found)


def _download(folder: Path, progress: Callable[[str], None]) -> None:
    """Fill `folder` with vmlinuz, busybox, qemu-ga and modules/NN-NAME.ko."""
    wanted = [*_kernel_packages(), "busybox-static", "qemu-guest-agent"]
    progress(f"downloading {', '.join(wanted)}")
    _run(
        ["apt-get", "download", *wanted],
        folder,
        "download the guest's parts; run apt-get update and try again",
    )
    root = folder / "root"
    for package in sorted(folder.glob("*.deb")):
        progress(f"unpacking {package.name.partition('_')[0]}")
        _run(["dpkg", "-x", str(package), str(root)], folder, f"unpack {package.name}; try again")
        package.unlink()
    _take(root, _KERNELS, folder / "vmlinuz")
    _take(root, ("bin/busybox",), folder / "busybox")
    _take(root, ("sbin/qemu-ga",), folder / "qemu-ga")
    release = _only(root, ("lib/modules/*",))
    (folder / "modules").mkdir()
    for number, (name, content) in enumerate(modules.load_order(release)):
        (folder / "modules" / f"{number:02}-{name}.ko").write_bytes(content)
    shutil.rmtree(root)


def _kernel_packages() -> list[str]:
    """The kernel's package and, where the distribution splits it, those of its modules."""
    for followed in KERNEL_PACKAGES:
        found: list[str] = []
        todo = [followed]
        while todo:
            new = [
                name for name in _depends_of(todo.pop()) if _KERNEL_PART.fullmatch(name) and name not in found
            ]
            found += new
            todo += new
        if found:
            return found
    raise LabError(
        f"apt knows neither {' nor '.join(KERNEL_PACKAGES)}: run apt-get update, "
        "or name a kernel with --kernel VMLINUZ and its modules with --modules DIR."
    )


def _depends_of(package: str) -> list[str]:
    if programs.find("apt-cache") is None:
        return []
    listing = programs.run(["apt-cache", "depends", "--important", package]).stdout.decode(errors="replace")
    return re.findall(r"^ *\|?(?:Pre)?Depends: ([^<\s]\S*)$", listing, re.MULTILINE)


def _run(command: Sequence[str], folder: Path, purpose: str) -> None:
    done = programs.run(command, folder=folder, timeout_s=_DOWNLOAD_TIMEOUT_S)
    if done.returncode:
        stderr = done.stderr.decode(errors="replace")
        said = next((line for line in stderr.splitlines() if line.startswith("E:")), stderr.strip())
        raise LabError(f"{command[0]} could not {purpose} ({said}).")


def _take(root: Path, patterns: Sequence[str], target: Path) -> None:
    shutil.copyfile(_only(root, patterns), target)
    # Ubuntu ships its kernels readable by root alone; a copy of a public file may be read by all.
    target.chmod(0o755)


def _only(root: Path, patterns: Sequence[str]) -> Path:
    """The first match below `root` or `root`/usr: distributions have merged the two at different times."""
    for pattern in patterns:
        for place in (pattern, f"usr/{pattern}", f"usr/{pattern.replace('sbin', 'bin')}"):
            found = sorted(root.glob(place))
            if found:
                return found[0]
    raise LabError(
        f"The packages hold no {' nor '.join(patterns)}: name a kernel with --kernel and --modules instead."
    )
