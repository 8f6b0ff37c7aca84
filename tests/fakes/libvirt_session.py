"""An ordinary user's own libvirtd, as ``qemu:///session`` finds it: started for a test and ended after it.

Root becomes the user ``nobody`` for it, with one right more: to read what lies in root's home, where the
interpreter, the checkout and the guest image may be. Invariant: daemon, guests and files end with the block.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autoscaler.lab.cache import cache_folder
from tests.fakes.libvirt_namespace import QEMU_CONF_OF_USER

NOBODY = 65534
READING = "-all,+dac_read_search"
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class LibvirtSession:
    """One user's session, and the folder that is its home."""

    home: Path
    uri = "qemu:///session"

    @property
    def as_user(self) -> tuple[str, ...]:
        """Words before a command that is to run in the session."""
        become = (
            *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
            *(f"--inh-caps={READING}", "--ambient-caps=+dac_read_search", f"--bounding-set={READING}"),
        )
        # Somebody else's folders, and the log of an embedded driver that this process had.
        not_the_users = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "LIBVIRT_LOG_OUTPUTS")
        environment = (
            *("env", *(f"--unset={name}" for name in not_the_users), f"HOME={self.home}"),
            *(f"XDG_RUNTIME_DIR={self.home}/run", f"VCPU_AUTOSCALER_CACHE={cache_folder()}"),
        )
        return (*(become if os.geteuid() == 0 else ()), *environment)

    def new_folder(self, name: str) -> Path:
        """A new folder in the home, which the user may write to."""
        folder = self.home / name
        folder.mkdir()
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        return folder

    def end_guests(self) -> None:
        """Kill every QEMU of the session."""
        for pidfile in (self.home / "run/libvirt/qemu/run").glob("*.pid"):
            with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):
                if pidfile.name != "driver.pid":
                    os.kill(int(pidfile.read_text()), signal.SIGKILL)


@contextlib.contextmanager
def libvirt_session(home: Path) -> Iterator[LibvirtSession]:
    """Run a session's libvirtd in `home`, an empty folder with a short path: sockets live in it."""
    session = LibvirtSession(home)
    configuration = home / ".config/libvirt"
    configuration.mkdir(parents=True)
    (configuration / "qemu.conf").write_text(QEMU_CONF_OF_USER)
    (configuration / "libvirt.conf").write_text('remote_mode = "legacy"\n')  # libvirtd, not virtqemud
    (home / "run").mkdir(mode=0o700)
    if os.geteuid() == 0:
        for folder in (home, home / ".config", configuration, home / "run"):
            os.chown(folder, NOBODY, NOBODY)
    binary = shutil.which("libvirtd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert binary, "libvirtd is not installed: apt install libvirt-daemon libvirt-daemon-driver-qemu"
    with (home / "libvirtd.log").open("ab") as log:
        daemon = subprocess.Popen((*session.as_user, binary), stdout=log, stderr=log)
    try:
        end_s = time.monotonic() + PATIENCE_S
        while not (home / "run/libvirt/libvirt-sock").exists():
            assert daemon.poll() is None, (home / "libvirtd.log").read_text()
            assert time.monotonic() < end_s, "the session's libvirtd does not listen"
            time.sleep(0.05)
        yield session
    finally:
        session.end_guests()
        daemon.kill()
        daemon.wait()
