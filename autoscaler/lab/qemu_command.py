"""Puts together the command that runs a guest under bare QEMU, and runs it.

QEMU puts itself into the background once it listens on all its sockets: a start that returns has succeeded,
one that fails says why, and the guest outlives whoever started it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.lab import known_hypervisor, programs
from autoscaler.lab.accel import Accel
from autoscaler.lab.errors import LabError
from autoscaler.lab.guest import AGENT_PORT, LOAD_PORT

if TYPE_CHECKING:
    from pathlib import Path

    from autoscaler.lab.image import Image
    from autoscaler.lab.spec import GuestSpec

_EMULATORS = ("qemu-system-x86_64", "qemu-kvm", "/usr/libexec/qemu-kvm")
_START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class GuestFiles:
    """The paths in one guest's folder."""

    folder: Path

    @property
    def qmp_socket(self) -> Path:
        """The monitor of whoever watches the guest."""
        return self.folder / "qmp.sock"

    @property
    def agent_socket(self) -> Path:
        """The guest agent's channel."""
        return self.folder / "agent.sock"

    @property
    def lab_monitor(self) -> Path:
        """The lab's own monitor."""
        return self.folder / "lab-qmp.sock"

    @property
    def load_socket(self) -> Path:
        """The load port."""
        return self.folder / "load.sock"

    @property
    def serial_log(self) -> Path:
        """What the guest wrote to its console."""
        return self.folder / "serial.log"

    @property
    def pid_file(self) -> Path:
        """QEMU's own."""
        return self.folder / "pid"


def run_qemu(command: list[str], name: str) -> None:
    """Run QEMU until it has put itself into the background.

    Raises:
        LabError: it did not, and what it said.
    """
    done = programs.run(command, timeout_s=_START_TIMEOUT_S)
    if done.returncode:
        raise LabError(f"QEMU of guest {name} did not start: {done.stderr.decode(errors='replace').strip()}")


def command_line(spec: GuestSpec, image: Image, files: GuestFiles, *, uuid: str, accel: Accel) -> list[str]:
    """Return the words that start QEMU for one guest.

    Raises:
        LabError: this host has no QEMU.
    """
    emulator = programs.find(*_EMULATORS)
    if emulator is None:
        raise LabError("There is no QEMU on this host: apt-get install qemu-system-x86.")
    return [
        emulator,
        *("-name", f"guest={spec.name},process=lab-{spec.name}", "-uuid", uuid),
        *("-accel", accel, *_machine(accel)),
        *("-smp", f"{spec.vcpus},maxcpus={spec.maximum}", "-m", f"{spec.memory_mib}"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-daemonize"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", spec.kernel_arguments),
        *("-serial", f"file:{_quoted(files.serial_log)}", "-pidfile", str(files.pid_file)),
        *("-qmp", _listening(files.qmp_socket), "-qmp", _listening(files.lab_monitor)),
        *("-device", "virtio-serial"),
        *_port(AGENT_PORT, "agent", files.agent_socket),
        *_port(LOAD_PORT, "load", files.load_socket),
    ]


def _machine(accel: Accel) -> tuple[str, ...]:
    """The board and processor; by emulation, see `known_hypervisor`."""
    if accel is Accel.KVM:
        return ("-machine", "q35", "-cpu", "host")
    serial = f"type=1,serial={known_hypervisor.SERIAL}"
    return ("-machine", "q35,vmport=on", "-cpu", f"{known_hypervisor.MODEL},-hypervisor", "-smbios", serial)


def _port(name: str, id_: str, path: Path) -> list[str]:
    return [
        *("-chardev", f"socket,id={id_},path={_quoted(path)},server=on,wait=off"),
        *("-device", f"virtserialport,id={id_}-port,chardev={id_},name={name}"),
    ]


def _listening(path: Path) -> str:
    return f"unix:{_quoted(path)},server=on,wait=off"


def _quoted(path: Path) -> str:
    """QEMU's options end at a comma unless it is doubled."""
    return str(path).replace(",", ",,")
