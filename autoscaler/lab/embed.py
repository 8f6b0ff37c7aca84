"""Runs libvirt's QEMU driver inside this process (``qemu:///embed``): no daemon, no privileges, nothing left.

libvirt allows one such driver a process, for as long as the process lives, and one process a driver: whoever
wants to see these guests opens the same URI in the same process. Invariant: leaving the ``with`` block ends
every guest of the driver and removes its folder, and so does the end of the process, however it comes;
libvirt itself would leave them running.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.lab.afterwards import cleaned_up_after
from autoscaler.lab.errors import LabError
from autoscaler.lab.private_view import enter_private_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LONGEST_ROOT = 24
"""Below it libvirt puts sockets with paths of up to 82 characters; 107 are allowed."""

_QEMU_CONF = """\
stdio_handler = "file"
security_driver = "none"
namespaces = []
cgroup_controllers = []
"""
_QEMU_CONF_OF_ROOT = """\
user = "root"
group = "root"
"""


@contextlib.contextmanager
def embedded_libvirt(progress: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Yield the URI of a driver with a new folder of its own, to be opened in this process.

    libvirt's log goes to a file in that folder where libvirt-python has not been imported before.

    Raises:
        LabError: libvirt-python or the driver is missing, or the temporary folder's path is too long.
    """
    root = Path(tempfile.mkdtemp(prefix="vcpu-lab-"))
    with cleaned_up_after(root):
        try:
            _prepare(root, progress)
            uri = f"qemu:///embed?root={root}"
            try:
                yield uri
            finally:
                _end_guests(uri)
        finally:
            shutil.rmtree(root, ignore_errors=True)


def _prepare(root: Path, progress: Callable[[str], None]) -> None:
    if len(os.fsencode(root)) > _LONGEST_ROOT:
        raise LabError(
            f"The path {root} is too long for libvirt's sockets: set TMPDIR to a shorter one, such as /tmp."
        )
    enter_private_view(progress)
    configuration = root / "etc" / "qemu.conf"
    configuration.parent.mkdir()
    configuration.write_text(_QEMU_CONF + (_QEMU_CONF_OF_ROOT if os.geteuid() == 0 else ""))
    os.environ.setdefault("LIBVIRT_LOG_OUTPUTS", f"3:file:{root}/libvirt.log")


def _end_guests(uri: str) -> None:
    # Imported late: libvirt reads its log settings when it is first imported.
    from autoscaler.lab.libvirt_guest import connect  # noqa: PLC0415

    with contextlib.closing(connect(uri)) as connection:
        for domain in connection.listAllDomains():
            with contextlib.suppress(Exception):
                domain.destroy()
