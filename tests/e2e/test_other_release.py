"""What a run inside another Debian release sees, and that nothing of it outlives it, however it ends.

The release is a pretended one (a folder of busybox); the namespaces, the mounts and the copy are real.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoscaler.lab.cache import cache_folder
from autoscaler.lab.sources import from_packages

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a root of another release needs root")

PROJECT = Path(__file__).parents[2]
PATIENCE_S = 20.0
DEBOOTSTRAP = """\
#!/bin/sh
echo made >>{made}
shift 4
for folder in bin dev etc proc root run srv sys tmp usr/local/share; do mkdir -p "$1/$folder"; done
cp {busybox} "$1/bin/busybox"
"$1/bin/busybox" --install "$1/bin"
printf '#!/bin/sh\n' >"$1/bin/update-ca-certificates"
chmod +x "$1/bin/update-ca-certificates"
"""
PROBE = """\
cd /srv/checkout
echo "in $1 as $HOME with ${SECRET:-no secret} and ${PIP_INDEX_URL:-no index}"
ls -A
touch /tmp/litter
echo ready
[ "$2" = ends ] || { setsid sleep "$3" & sleep "$3"; }
exit 7
"""


class Release:
    """A checkout with a script to run, and a debootstrap in PATH that makes a root of busybox."""

    def __init__(self, folder: Path, busybox: Path) -> None:
        self.checkout = folder / "checkout"
        self.cache = folder / "cache"
        self.made = folder / "made"
        shutil.copytree(PROJECT / "deploy", self.checkout / "deploy")
        (self.checkout / ".git").mkdir()
        (self.checkout / ".gitignore").write_text("*.secret\n")
        (self.checkout / "key.secret").touch()
        (self.checkout / "probe.sh").write_text(PROBE)
        (folder / "bin").mkdir()
        program = folder / "bin" / "debootstrap"
        program.write_text(DEBOOTSTRAP.format(made=self.made, busybox=busybox))
        program.chmod(0o755)
        self.marker = str(1_000_000 + os.getpid())
        """Seconds that the script sleeps for, told to it last."""
        self.env = {
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "VCPU_AUTOSCALER_CACHE": str(self.cache),
            "SECRET": "the host's",
            "PIP_INDEX_URL": "an index",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the script inside the release."""
        lines = (
            'repo=$1; shift; . "$repo/deploy/lib/setup.sh"; . "$repo/deploy/lib/root.sh"; run_in_root "$@"'
        )
        return subprocess.Popen(
            [
                "env",
                "--default-signal=INT",
                "sh",
                "-c",
                lines,
                "test.sh",
                str(self.checkout),
                *arguments,
                self.marker,
            ],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def mounts(self) -> list[str]:
        """The mounts below the root, as this process sees them."""
        return [line for line in Path("/proc/mounts").read_text().splitlines() if str(self.cache) in line]

    def processes(self) -> list[str]:
        """Command lines of all that the script has started."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                found.append((process / "cmdline").read_text())
        return [words for words in found if self.marker in words]


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path, from_packages(cache_folder(), lambda _: None).busybox)


def test_a_run_sees_the_checkout_without_its_secrets_and_only_the_hosts_way_to_registries(
    release: Release,
) -> None:
    out, err = release.start("trixie", "probe.sh", "trixie", "ends").communicate(timeout=PATIENCE_S)

    assert "in trixie as /root with no secret and an index\n" in out, err
    assert set(out.split("\n")[1:-2]) == {"deploy", "probe.sh"}


def test_its_exit_code_is_the_scripts_own_and_a_second_run_finds_the_root_and_nothing_of_the_first(
    release: Release,
) -> None:
    for _ in range(2):
        with release.start("trixie", "probe.sh", "trixie", "ends") as run:
            run.communicate(timeout=PATIENCE_S)
        assert run.returncode == 7

    assert release.made.read_text() == "made\n"
    assert list((release.cache / "root/trixie/srv").iterdir()) == []
    assert list((release.cache / "root/trixie/tmp").iterdir()) == []


def by_control_c(run: subprocess.Popen[str]) -> None:
    os.killpg(run.pid, signal.SIGINT)


@pytest.mark.parametrize(
    "end", [by_control_c, subprocess.Popen.terminate, subprocess.Popen.kill], ids=["Ctrl-C", "TERM", "KILL"]
)
def test_a_run_that_is_ended_leaves_no_process_no_mount_and_no_copy(
    release: Release, end: Callable[[subprocess.Popen[str]], None]
) -> None:
    with release.start("sid", "probe.sh", "sid", "stays") as run:
        assert run.stdout is not None
        while run.stdout.readline() != "ready\n":
            assert run.poll() is None
        assert release.processes()
        end(run)
        run.wait(PATIENCE_S)
        end_s = time.monotonic() + PATIENCE_S
        while release.processes():
            assert time.monotonic() < end_s, release.processes()
            time.sleep(0.02)

    assert release.mounts() == []
    assert list((release.cache / "root/sid/srv").iterdir()) == []


def test_two_runs_in_one_root_do_not_meet(release: Release) -> None:
    with release.start("sid", "probe.sh", "sid", "stays") as run:
        assert run.stdout is not None
        while run.stdout.readline() != "ready\n":
            assert run.poll() is None
        with release.start("sid", "probe.sh", "sid", "ends") as other:
            _, err = other.communicate(timeout=PATIENCE_S)
        assert other.returncode == 2
        assert "another run is at work" in err
        run.kill()
