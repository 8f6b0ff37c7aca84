"""A real libvirtd of the test's own, beside whatever the host runs.

Invariant: the daemon sees private folders wherever libvirt keeps state, so it shares no socket, lock, guest
or cache with another libvirtd; leaving the context leaves no process, mount or file outside the given
folder. Needs root.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import libvirt

from autoscaler.backends.libvirt.loop import ensure_event_loop
from tests.fakes.libvirt_namespace import QEMU_CONF, in_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

START_PATIENCE_S = 60.0

STATE_FOLDERS = {
    "etc": Path("/etc/libvirt"),
    "run": Path("/run/libvirt"),
    "lib": Path("/var/lib/libvirt"),
    "cache": Path("/var/cache/libvirt"),
    "log": Path("/var/log/libvirt"),
}
"""Private folder -> where libvirtd looks for it."""

LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_dir = "{sockets}"
"""

LISTENING = """\
listen_tls = 0
listen_tcp = 1
listen_addr = "127.0.0.1"
tcp_port = "{port}"
auth_tcp = "none"
"""


@dataclass(slots=True)
class LibvirtDaemon:
    """One libvirtd and the folder that holds all it has."""

    folder: Path
    tcp_port: int | None = None
    """A port of 127.0.0.1 to listen on as well, without a password."""
    more: str = ""
    """Further lines of its configuration."""
    before: tuple[str, ...] = ()
    """Words before its command."""
    binds: Mapping[Path, Path] = field(default_factory=dict)
    """Place -> what it sees there instead, beside its own folders."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def uri(self) -> str:
        """What to connect to."""
        return f"qemu+unix:///system?socket={self.folder}/s/libvirt-sock"

    @property
    def tcp_uri(self) -> str:
        """What to connect to as to another host."""
        assert self.tcp_port is not None, "the daemon listens on no port"
        return f"qemu+tcp://127.0.0.1:{self.tcp_port}/system"

    @property
    def pid(self) -> int:
        """The running daemon's process."""
        assert self._process is not None, "the daemon does not run"
        return self._process.pid

    def outside(self, path: Path) -> Path:
        """Where a path that the daemon speaks of lies for everyone else."""
        for name, place in STATE_FOLDERS.items():
            if path.is_relative_to(place):
                return self.folder / name / path.relative_to(place)
        return path

    def prepare(self) -> None:
        """Lay out the private folders and the configuration."""
        for name in (*STATE_FOLDERS, "s"):
            (self.folder / name).mkdir()
        configuration = LIBVIRTD_CONF.format(sockets=self.folder / "s")
        if self.tcp_port is not None:
            configuration += LISTENING.format(port=self.tcp_port)
        (self.folder / "libvirtd.conf").write_text(configuration + self.more)
        (self.folder / "etc/qemu.conf").write_text(QEMU_CONF)

    def start(self) -> None:
        """Start the daemon and wait until its socket answers."""
        binary = shutil.which("libvirtd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert binary, "libvirtd is not installed: apt install libvirt-daemon libvirt-daemon-driver-qemu"
        command = [
            *self.before,
            binary,
            "-f",
            f"{self.folder}/libvirtd.conf",
            "-p",
            f"{self.folder}/libvirtd.pid",
        ]
        if self.tcp_port is not None:
            command.append("--listen")
        binds = {place: self.folder / name for name, place in STATE_FOLDERS.items()} | dict(self.binds)
        with (self.folder / "libvirtd.log").open("ab") as log:
            self._process = subprocess.Popen(
                in_namespace(command, self.folder, binds=binds, own_network=self.tcp_port is None),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._await_socket()

    def kill(self) -> None:
        """End the daemon without warning; its guests go on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        # A killed libvirtd leaves its sockets' files; without them it looks like a service that was stopped.
        for leftover in (self.folder / "s").iterdir():
            leftover.unlink(missing_ok=True)

    def restart(self) -> None:
        """Kill the daemon and start it anew over the same guests."""
        self.kill()
        self.start()

    def end_guests(self) -> None:
        """Kill every QEMU that this daemon started."""
        for pidfile in (self.folder / "run/qemu").glob("*.pid"):
            self.end_guest(pidfile.stem)

    def end_guest(self, name: str) -> None:
        """Kill the QEMU of a domain, if it runs."""
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):
            os.kill(int((self.folder / "run/qemu" / f"{name}.pid").read_text()), signal.SIGKILL)

    def _await_socket(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_PATIENCE_S
        while subprocess.run(["virsh", "-c", self.uri, "uri"], capture_output=True, check=False).returncode:
            log = (self.folder / "libvirtd.log").read_text(errors="replace")
            assert self._process.poll() is None, f"libvirtd ended: {log}"
            assert time.monotonic() < deadline, f"libvirtd did not answer in {START_PATIENCE_S:.0f} s: {log}"
            time.sleep(0.05)


@contextlib.contextmanager
def libvirt_daemon(folder: Path, *, tcp_port: int | None = None) -> Iterator[LibvirtDaemon]:
    """Run a private libvirtd in `folder`, an empty one with a short path: sockets live in it."""
    with running(LibvirtDaemon(folder, tcp_port)) as daemon:
        yield daemon


@contextlib.contextmanager
def running(daemon: LibvirtDaemon) -> Iterator[LibvirtDaemon]:
    """Run this daemon for the block."""
    with _state_folders():
        try:
            daemon.prepare()
            daemon.start()
            yield daemon
        finally:
            daemon.end_guests()
            daemon.kill()


@contextlib.contextmanager
def passing_libvirt_daemon() -> Iterator[LibvirtDaemon]:
    """Run a private libvirtd in a folder that goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="lv-"))
    with libvirt_daemon(folder) as daemon:
        yield daemon
    shutil.rmtree(folder)


@contextlib.contextmanager
def administering(daemon: LibvirtDaemon) -> Iterator[libvirt.virConnect]:
    """A connection that may do anything; the domains that are there at its end go with it."""
    ensure_event_loop()
    connection = libvirt.open(daemon.uri)
    yield connection
    for domain in connection.listAllDomains():
        with contextlib.suppress(libvirt.libvirtError):
            domain.destroy()
        with contextlib.suppress(libvirt.libvirtError):
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
    connection.close()


@contextlib.contextmanager
def _state_folders() -> Iterator[None]:
    """Have the places that private folders are bound over; those made for it go again.

    To remove such a place is to end every bind over it, in whatever namespace: while another run has a
    daemon, they stay.
    """
    missing = [place for place in STATE_FOLDERS.values() if not place.exists()]
    in_use = os.open("/run", os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(in_use, fcntl.LOCK_SH)
    for place in missing:
        place.mkdir(exist_ok=True)
    try:
        yield
    finally:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for place in missing:
                with contextlib.suppress(OSError):
                    place.rmdir()
        os.close(in_use)
