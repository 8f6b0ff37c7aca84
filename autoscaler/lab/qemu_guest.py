"""Boots guests under bare QEMU, each in a folder of its own, and finds them again.

The folder ``ROOT/NAME`` holds ``qmp.sock`` and ``agent.sock`` for whoever watches the guest, ``lab-qmp.sock``
and ``load.sock`` for the lab, ``serial.log`` and ``pid``. QEMU runs on by itself when the process that
started it ends. Invariant: a folder without a running QEMU is debris and may be removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from autoscaler.lab import monitor, process
from autoscaler.lab.accel import usable_accel
from autoscaler.lab.errors import LabError
from autoscaler.lab.guest import Guest
from autoscaler.lab.qemu_command import GuestFiles, command_line, run_qemu
from autoscaler.lab.spec import check_name, is_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.lab.accel import Accel
    from autoscaler.lab.image import Image
    from autoscaler.lab.spec import GuestSpec

_LONGEST_SOCKET_PATH = 107
_LONGEST_SOCKET_NAME = "lab-qmp.sock"


def lab_folder() -> Path:
    """Return the user's own folder of guests, made where it is missing; short, since socket paths must be.

    Raises:
        LabError: someone else owns it.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    root = Path(runtime) / "vcpu-autoscaler-lab" if runtime else _fallback_folder()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = root.lstat()
    if root.is_symlink() or found.st_uid != os.geteuid():
        raise LabError(
            f"The folder {root} belongs to someone else: remove it, or name another with --folder."
        )
    return root


def _fallback_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"vcpu-autoscaler-lab-{os.geteuid()}"


class QemuGuest(Guest):
    """A guest in a folder of its own; see `start` and `find`."""

    def __init__(self, folder: Path, *, uuid: str) -> None:
        self.folder = folder
        self.files = GuestFiles(folder)
        super().__init__(name=folder.name, uuid=uuid, load_socket=self.files.load_socket)

    @classmethod
    def start(cls, spec: GuestSpec, image: Image, root: Path, *, accel: Accel | None = None) -> QemuGuest:
        """Boot `spec` in ``root/NAME``; returns when QEMU listens on its sockets, before the guest is up.

        Raises:
            LabError: a guest of that name runs there already, or QEMU does not start.
        """
        folder = root / spec.name
        if len(os.fsencode(folder / _LONGEST_SOCKET_NAME)) > _LONGEST_SOCKET_PATH:
            raise LabError(
                f"The path {folder} is too long for a socket: name a shorter folder with --folder."
            )
        guest = cls(folder, uuid=str(uuid.uuid4()))
        with _locked(root):
            if guest.pid is not None:
                raise LabError(
                    f"The guest {spec.name} runs already in {folder}: end it with lab down {spec.name}."
                )
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            try:
                command = command_line(
                    spec, image, guest.files, uuid=guest.uuid, accel=accel or usable_accel()
                )
                run_qemu(command, spec.name)
            except BaseException:
                # Interrupted early enough, QEMU has not written its pid yet.
                process.kill_by_uuid(guest.uuid)
                guest.destroy()
                raise
        return guest

    @classmethod
    def find(cls, root: Path, name: str) -> QemuGuest | None:
        """Return the running guest of that name, or None."""
        guest = cls(root / check_name(name), uuid="")
        if guest.pid is None:
            return None
        with contextlib.suppress(OSError, KeyError, TypeError):
            guest.uuid = monitor.execute(guest.files.lab_monitor, "query-uuid")["UUID"]  # type: ignore[index]
        return guest

    @classmethod
    def find_all(cls, root: Path) -> list[QemuGuest]:
        """Return the running guests by name."""
        names = sorted(path.parent.name for path in root.glob("*/pid"))
        return [guest for name in names if is_name(name) and (guest := cls.find(root, name))]

    @classmethod
    def tidy(cls, root: Path) -> None:
        """Remove the folders of guests that no longer run."""
        with _locked(root):
            for monitor_socket in root.glob("*/lab-qmp.sock"):
                guest = cls(monitor_socket.parent, uuid="")
                if guest.pid is None:
                    guest.destroy()

    @property
    def pid(self) -> int | None:
        """The id of the QEMU process; None when it does not run."""
        try:
            pid = int(self.files.pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if process.is_running(pid, self._mark) else None

    @property
    def _mark(self) -> bytes:
        """What no other process than this guest's QEMU was told."""
        return os.fsencode(self.files.qmp_socket)

    def vcpus(self) -> tuple[int, int]:
        """Return how many vCPUs are plugged, and the maximum.

        Raises:
            LabError: QEMU does not answer.
        """
        try:
            slots = monitor.execute(self.files.lab_monitor, "query-hotpluggable-cpus")
        except OSError as error:
            raise LabError(
                f"QEMU of guest {self.name} does not answer on {self.files.lab_monitor} ({error})."
            ) from error
        assert isinstance(slots, list)
        return sum("qom-path" in slot for slot in slots), len(slots)

    def reboot(self) -> None:
        """Reset the guest as the reset button would; it boots again, with the vCPUs it has.

        Raises:
            LabError: QEMU does not answer.
        """
        try:
            monitor.execute(self.files.lab_monitor, "system_reset")
        except OSError as error:
            raise LabError(
                f"QEMU of guest {self.name} does not answer on {self.files.lab_monitor} ({error})."
            ) from error

    def kill(self) -> None:
        """End the guest's QEMU process with SIGKILL, as a crash would; its folder stays behind."""
        if (pid := self.pid) is not None:
            process.kill(pid, self._mark)

    def destroy(self) -> None:
        """End the guest if it runs, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _agent_answers(self, timeout_s: float) -> bool:
        number = time.monotonic_ns() & 0x7FFFFFFF
        request = json.dumps({"execute": "guest-sync-delimited", "arguments": {"id": number}}).encode()
        end_s = time.monotonic() + timeout_s
        received = b""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as channel:
            channel.settimeout(timeout_s)
            try:
                channel.connect(str(self.files.agent_socket))
                channel.sendall(b"\xff" + request + b"\n")
                while str(number).encode() not in received and time.monotonic() < end_s:
                    chunk = channel.recv(4096)
                    if not chunk:
                        return False
                    received += chunk
            except OSError:
                return False
        return str(number).encode() in received


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold off others that start guests in `root`, which is made where it is missing."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
