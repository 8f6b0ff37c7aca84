"""Runs a command where libvirt's surroundings are as a test wants them, without touching the host's.

Everything is bound over in a mount namespace of the command's own; the binds end with its last process. Needs
root.
"""

from __future__ import annotations

import pwd
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LIBVIRT_USER = "libvirt-qemu"

QEMU_CONF_OF_USER = """\
stdio_handler = "file"
security_driver = "none"
namespaces = []
cgroup_controllers = []
"""
"""A qemu.conf that needs nothing: no log daemon, no cgroups, no security labels."""
QEMU_CONF = f"""\
{QEMU_CONF_OF_USER}user = "root"
group = "root"
"""
"""The same for root."""


def in_namespace(
    command: Sequence[str],
    folder: Path,
    *,
    binds: Mapping[Path, Path] | None = None,
    own_network: bool = True,
    hide_kvm: bool = True,
) -> list[str]:
    """Return the command line that runs `command` with KVM out of reach and libvirt's user present.

    Args:
        command: program and arguments.
        folder: takes the few files that are bound over others.
        binds: place -> what is seen there instead.
        hide_kvm: put KVM out of reach; without, it is as on the host.
        own_network: with no network but one of its own; without, a port of the host can be listened on.
    """
    hidden = {**(binds or {}), **_accounts(folder)}
    steps = [f"mount --bind {_quoted(source)} {_quoted(place)}" for place, source in hidden.items()]
    steps += [*(_no_kvm(folder) if hide_kvm else ()), f"exec {shlex.join(command)}"]
    apart = ("--mount", "--net") if own_network else ("--mount",)
    return ["unshare", *apart, "sh", "-c", " && ".join(steps)]


def _accounts(folder: Path) -> dict[Path, Path]:
    """Both account files with libvirt's user: the package that brings libvirtd may not have made it."""
    try:
        pwd.getpwnam(LIBVIRT_USER)
    except KeyError:
        return {
            Path("/etc/passwd"): _extended(folder, "passwd", f"{LIBVIRT_USER}:x:64055:64055::/:/bin/false"),
            Path("/etc/group"): _extended(folder, "group", f"{LIBVIRT_USER}:x:64055:"),
        }
    return {}


def _extended(folder: Path, name: str, line: str) -> Path:
    copy = folder / name
    copy.write_text(f"{Path('/etc', name).read_text()}{line}\n")
    return copy


def _no_kvm(folder: Path) -> Iterator[str]:
    """Put KVM out of reach: where it opens but runs no guest, libvirt probes QEMU for a minute each time.

    Read-only, because root may write to any file on a writable mount, whatever its mode.
    """
    device = Path("/dev/kvm")
    if device.is_char_device():  # else it is covered already, for this process and all that it starts
        nothing = folder / "no-kvm"
        nothing.touch()
        yield f"mount --bind {_quoted(nothing)} {device}"
        yield f"mount -o remount,bind,ro {device}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
