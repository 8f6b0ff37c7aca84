"""A machine with Debian and systemd: a root of that release as debootstrap made it, booted in namespaces.

Its systemd is real, and is process 1 of what it runs; the kernel is the host's. Invariants: what happens in
it lies on a file system in memory over the root, which stays as it is; once booted it has no network but its
own loopback, and a single command the host's where that is asked for; all of it ends with `close`, or with
the process that made it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from autoscaler.lab.image import Image

PROJECT = Path(__file__).parents[2]
PATIENCE_S = 120.0
NEEDED = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a root of a Debian release needs root"),
    # The first run in a cache makes the root and downloads its packages.
    pytest.mark.timeout(1200),
]
"""Marks of every module that has tests on it."""

_BOOT = """\
set -eu
repo=$1 release=$2 group=$3 over=$4
shift 4
. "$repo/deploy/lib/setup.sh"
. "$repo/deploy/lib/root.sh"
open_root "$release"
echo $$ >"$group/cgroup.procs"
exec setpriv --pdeathsig KILL unshare --mount --pid --cgroup --uts --ipc --fork --kill-child \
    --propagation private sh -euc "$inside" machine "$root" "$over" "$@"
"""
_INSIDE = """\
lower=$1 over=$2
shift 2
mount -t tmpfs -o mode=755 tmpfs "$over"
cd "$over"
mkdir upper work root
mount -t overlay -o "lowerdir=$lower,upperdir=upper,workdir=work" overlay root
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
# Packages that were downloaded once are kept with the root.
mount --bind "$lower/var/cache/apt/archives" var/cache/apt/archives
cat /etc/resolv.conf >etc/resolv.conf
mkdir tmp/packages
names=
for package; do
    case $package in
        /*) cp "$package" tmp/packages ;;
        *) names="$names $package" ;;
    esac
done
export DEBIAN_FRONTEND=noninteractive
chroot . apt-get -qq update
chroot . sh -c "apt-get -qq -y --no-install-recommends install systemd-sysv $names /tmp/packages/*.deb"
# systemd makes mount namespaces of its services, which it cannot in a root that is not that of its own one.
mount --move . /
exec unshare --net chroot . env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --log-target=journal
"""


class DebianMachine:
    """Booted with some packages installed, and all that they depend on."""

    def __init__(self, release: str, folder: Path, *packages: Path | str) -> None:
        """Boot it; the release's root is made in the cache where there is none yet.

        Args:
            release: a name that deploy/lib/root.sh knows.
            folder: is empty, and takes the machine's files and its log.
            packages: files, and names of the release's own packages, to be installed before it boots.
        """
        self._log = folder / "log"
        over = folder / "over"
        over.mkdir()
        # Not called by a number of the process, which another PID namespace has as well.
        self._group = Path(tempfile.mkdtemp(prefix="vcpu-autoscaler-", dir=_cgroups()))
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                ("sh", "-c", _BOOT, "machine.sh", PROJECT, release, self._group, over, *packages),
                env=_handed_on("PATH", "HOME", "VCPU_AUTOSCALER_CACHE", "XDG_CACHE_HOME")
                | {"inside": _INSIDE},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._first = self._booted()
        except BaseException:
            self.close()
            raise

    @property
    def enter(self) -> tuple[str, ...]:
        """The words that go before a command, to run it inside as root."""
        return ("nsenter", f"--target={self._first}", *_ALL, "--")

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as root; with `check` it has to succeed."""
        return _done((*self.enter, *command), {}, PATIENCE_S, check=check)

    def run_online(self, *command: str) -> None:
        """The same in the host's network, with what the host's pip goes by."""
        enter = ("nsenter", f"--target={self._first}", *(word for word in _ALL if word != "--net"), "--")
        _done((*enter, *command), _handed_on(), 5 * PATIENCE_S, check=True)

    def say(self, *command: str, check: bool = True) -> str:
        """What a command prints."""
        return self.run(*command, check=check).stdout.strip()

    def write(self, path: str, text: str) -> None:
        """Write a file as root's editor would."""
        self.path(path).write_text(text)

    def path(self, path: str) -> Path:
        """A place in the machine, as this process may read and write it."""
        return Path(f"/proc/{self._first}/root{path}")

    def copied(self, file: Path) -> str:
        """Copy a file into it, and return where it is there."""
        self.path(f"/tmp/{file.name}").write_bytes(file.read_bytes())
        return f"/tmp/{file.name}"

    def copied_image(self, image: Image, home: str) -> Image:
        """Copy what a guest boots from into a new folder of it, and return it as it is named there."""
        self.path(home).mkdir()
        for file in (image.kernel, image.initrd):
            copy = self.path(f"{home}/{file.name}")
            shutil.copyfile(file, copy)
            copy.chmod(0o644)
        return Image(kernel=Path(home, image.kernel.name), initrd=Path(home, image.initrd.name))

    def close(self) -> None:
        """End it and all that runs in it."""
        self._process.kill()
        self._process.wait(PATIENCE_S)
        end_s = time.monotonic() + PATIENCE_S
        while self._group.exists():
            assert time.monotonic() < end_s, f"{self._group} is still in use"
            for group in sorted(self._group.rglob("*/"), reverse=True):
                with contextlib.suppress(OSError):
                    group.rmdir()
            with contextlib.suppress(OSError):
                self._group.rmdir()
            time.sleep(0.05)

    def _booted(self) -> int:
        """The process id of its systemd, when that has started all that it starts."""
        end_s = time.monotonic() + 5 * PATIENCE_S
        while True:
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < end_s, self._log.read_text()
            pid = self._process.pid
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    self._first = int(child)
                    state = self.say("systemctl", "is-system-running", "--wait", check=False)
                    if state in {"running", "degraded"}:
                        return int(child)
            time.sleep(0.1)


def _handed_on(*names: str) -> dict[str, str]:
    """These variables of the tests, and those by which apt and pip find the network."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in names or name.startswith("PIP_") or name.lower().endswith("_proxy")
    }


def _done(
    words: tuple[str, ...], known: dict[str, str], patience_s: float, *, check: bool
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words,
        env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        | known,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=False,
    )
    assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done


_ALL = ("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup")


def _cgroups() -> Path:
    """Where cgroups of version 2 are made here."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise AssertionError("systemd needs cgroups of version 2, which are not mounted here")
