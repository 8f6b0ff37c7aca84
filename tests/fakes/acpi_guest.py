"""A guest that the test plays: the firmware's side of vCPU hotplug, in a real QEMU, without a guest OS.

QEMU's qtest socket reads and writes its I/O ports, and these are the registers of modern CPU hotplug on x86
(docs/specs/acpi_cpu_hotplug in QEMU). Under KVM the vCPU threads really come and go; emulation tells
late that a vCPU is gone, or never.

The machine is not started unless a test says so: its vCPUs have nothing to run, and QEMU 7.2 ends at a plug
into a slot whose vCPU ran and was given back, where KVM refuses to set such a vCPU up anew
("kvm_arch_init_vcpu failed (1): Invalid argument").
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SELECTOR, _FLAGS, _COMMAND, _DATA = 0xCD8, 0xCDC, 0xCDD, 0xCE0
ENABLED, REMOVING, _EJECT = 0x1, 0x4, 0x8
_OST_EVENT, _OST_STATUS = 1, 2
OSPM_EJECT = 0x103
"""The source of a report on a removal."""
REFUSED, IN_PROGRESS = 0x80, 0x84


LETS_GO = (10, 0)
"""A QEMU of which it was seen that it lets a vCPU go under emulation, too."""
TELLS_LATE = (11, 1)
"""One of which it was seen that it tells so, with the next plug."""


def qemu_version() -> tuple[int, int]:
    """Version of the QEMU in PATH."""
    said = subprocess.run(
        ["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True
    ).stdout
    major, minor = said.split("version ")[1].split(".")[:2]
    return int(major), int(minor)


def kvm_opens() -> bool:
    """Whether QEMU can use KVM here; a guest OS might still not run under it, and none is needed."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError:
        return False
    return True


class AcpiGuest:
    """The firmware's side of one QEMU, over its qtest socket."""

    def __init__(self, qtest: socket.socket) -> None:
        self._socket = qtest
        self._replies = qtest.makefile("r")
        self._turn = threading.Lock()

    def close(self) -> None:
        """Hang up."""
        self._replies.close()
        self._socket.close()

    def boot(self) -> None:
        """Let ACPI come up: from now on the guest can be asked for a vCPU."""
        self._say(f"outl {_SELECTOR:#x} 0", f"outl {_SELECTOR:#x} 0", f"outb {_COMMAND:#x} 0")

    def is_asked_for(self, slot: int) -> bool:
        """Whether QEMU waits for this slot to be emptied."""
        (flags,) = self.flags([slot])
        return bool(flags & REMOVING)

    def flags(self, slots: Iterable[int]) -> list[int]:
        """What QEMU shows of these slots, in their order."""
        orders = [(f"outl {_SELECTOR:#x} {slot}", f"inb {_FLAGS:#x}") for slot in slots]
        answers = self._say(*(order for pair in orders for order in pair))
        return [int(answer.split()[1], 16) for answer in answers[1::2]]

    def eject(self, slot: int) -> None:
        """Give a vCPU back, asked for or not."""
        self._say(f"outl {_SELECTOR:#x} {slot}", f"outb {_FLAGS:#x} {REMOVING}", f"outb {_FLAGS:#x} {_EJECT}")

    def report(self, slot: int, status: int, *, times: int = 1) -> None:
        """Say by _OST how a removal stands, as often as is asked."""
        self._say(f"outl {_SELECTOR:#x} {slot}")
        for _ in range(times):
            self._say(
                f"outb {_COMMAND:#x} {_OST_EVENT}",
                f"outl {_DATA:#x} {OSPM_EJECT}",
                f"outb {_COMMAND:#x} {_OST_STATUS}",
                f"outl {_DATA:#x} {status}",
            )
        self._say(f"outb {_COMMAND:#x} 0")

    def _say(self, *orders: str) -> list[str]:
        with self._turn:
            self._socket.sendall("".join(f"{order}\n" for order in orders).encode())
            answers = [self._answer() for _ in orders]
        assert all(answer.startswith("OK") for answer in answers), answers
        return answers

    def _answer(self) -> str:
        # Lines in between tell of interrupts.
        while not (line := self._replies.readline()).startswith(("OK", "FAIL", "ERR")):
            assert line, "QEMU has gone"
        return line.strip()


class AcpiQemu:
    """A QEMU process in a folder of guests (NAME/qmp.sock), with the guest in it."""

    def __init__(self, folder: Path, *, name: str = "acpi", accel: str, maximum: int = 4) -> None:
        home = folder / name
        home.mkdir()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(home / "qtest.sock"))
            listener.listen(1)
            listener.settimeout(20)
            arguments = (
                f"-S -nodefaults -no-user-config -display none -machine q35 -accel {accel} -cpu qemu64 -m 64 "
                f"-smp 1,maxcpus={maximum} -qmp unix:{home}/qmp.sock,server=on,wait=off "
                f"-monitor unix:{home}/monitor.sock,server=on,wait=off "
                f"-qtest unix:{home}/qtest.sock -qtest-log /dev/null"
            )
            self.process = subprocess.Popen(
                ["qemu-system-x86_64", *arguments.split()], stderr=subprocess.DEVNULL
            )
            qtest, _ = listener.accept()
        self.guest = AcpiGuest(qtest)
        self._monitor = home / "monitor.sock"

    def monitor(self, command: str) -> None:
        """Have another hand than the service's do something to the machine."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(5)
            monitor.connect(str(self._monitor))
            monitor.sendall(f"{command}\n".encode())
            heard = b""
            while heard.count(b"(qemu)") < 2:
                heard += monitor.recv(4096)

    @property
    def open_files(self) -> int:
        """File descriptors that it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self.guest.close()


@contextmanager
def acpi_qemu(folder: Path, *, accel: str, maximum: int = 4) -> Iterator[AcpiQemu]:
    """A QEMU that ends with the block."""
    qemu = AcpiQemu(folder, accel=accel, maximum=maximum)
    try:
        yield qemu
    finally:
        qemu.kill()
