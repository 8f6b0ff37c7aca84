"""Lets root run libvirt's QEMU driver inside this process on hosts where it would stall or refuse.

Two things about a host stand in its way. A /dev/kvm that opens but cannot run a kernel is probed anew for
half a minute at each guest: here it is covered by an empty file. Debian's driver wants the user libvirt-qemu,
which another package makes: here /etc/passwd and /etc/group gain it. Both are seen only by this process and
its children, in a mount namespace of their own. Invariant: the host itself is not changed, and nothing is
left when they end.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.lab.accel import KVM_DEVICE, Accel, usable_accel
from autoscaler.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable

_USER = "libvirt-qemu"
_NUMBER = 64055
"""What Debian has set aside for that user."""

# From linux/sched.h and linux/mount.h; Python has os.unshare from 3.12 on, and no mount.
_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000


def enter_private_view(progress: Callable[[str], None] = lambda _: None) -> None:
    """Cover what is in the way, for the calling thread and what it starts from now on.

    Does nothing for an ordinary user, or where nothing is in the way. Call it before libvirt is opened.

    Args:
        progress: told what will be slow where the covering is not allowed (in some containers).

    Raises:
        LabError: the user is missing and cannot be shown to libvirt.
    """
    if os.geteuid() != 0:
        return
    covers = _covers()
    if not covers:
        return
    try:
        _call("unshare", _CLONE_NEWNS)
        _mount(None, Path("/"), _MS_REC | _MS_PRIVATE)
        for target, content in covers.items():
            _cover(target, content)
    except OSError as error:
        if not _has_user():
            raise LabError(
                f"libvirt's QEMU driver needs the user {_USER}, which this host lacks ({error.strerror}): "
                "apt-get install libvirt-daemon-system, or run this as an ordinary user."
            ) from error
        progress(f"libvirt tries the unusable {KVM_DEVICE} first, which takes half a minute a guest")


def _covers() -> dict[Path, str]:
    """What is to be covered, and by which content."""
    covers: dict[Path, str] = {}
    if usable_accel() is Accel.TCG and os.access(KVM_DEVICE, os.R_OK | os.W_OK):
        covers[KVM_DEVICE] = ""
    if _driver_is_debians() and not _has_user():
        for path, line in (
            (Path("/etc/passwd"), f"{_USER}:x:{_NUMBER}:{_NUMBER}::/nonexistent:/usr/sbin/nologin\n"),
            (Path("/etc/group"), f"{_USER}:x:{_NUMBER}:\n"),
        ):
            covers[path] = path.read_text() + line
    return covers


def _driver_is_debians() -> bool:
    return Path("/etc/debian_version").exists()


def _has_user() -> bool:
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        return not _driver_is_debians()
    return True


def _cover(target: Path, content: str) -> None:
    with tempfile.NamedTemporaryFile("w") as cover:
        cover.write(content)
        cover.flush()
        Path(cover.name).chmod(0o644)
        _mount(Path(cover.name), target, _MS_BIND)
        # Root passes every permission check but that of a read-only mount.
        _mount(None, target, _MS_BIND | _MS_REMOUNT | _MS_RDONLY)


def _mount(source: Path | None, target: Path, flags: int) -> None:
    _call(
        "mount", None if source is None else bytes(source), bytes(target), None, ctypes.c_ulong(flags), None
    )


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
