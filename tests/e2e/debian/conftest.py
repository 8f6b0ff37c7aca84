"""One machine with Debian for all that is tried with the package on it; they run one after the other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.debian_machine import DebianMachine
from tests.fakes.packaged_service import CONFIG, NEXT, make_next

PROJECT = Path(__file__).parents[3]
RELEASE = "bookworm"


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for mounts and sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix="vcpu-deb-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def package(folder: Path) -> Path:
    """The package of this checkout; built here, unless an earlier part of `deploy/test.sh` did so."""
    place = Path(os.environ.get("VCPU_AUTOSCALER_TESTS_SHARE", folder)) / "built"
    if not any(place.glob("*.deb")):
        built = subprocess.run(
            ("sh", PROJECT / "deploy" / "build-deb.sh", "--root", RELEASE, "--output", place),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert built.returncode == 0, built.stderr
    (package,) = place.glob("*.deb")
    return package


@pytest.fixture(scope="session")
def newer(package: Path, folder: Path) -> Path:
    """The same as a next release: another version, with another config.yaml, that adds to the journal."""
    tree, file = folder / "newer", folder / f"vcpu-autoscaler_{NEXT}-1_amd64.deb"
    subprocess.run(("dpkg-deb", "--raw-extract", package, tree), check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {NEXT}-1", control.read_text()))
    (code,) = tree.rglob("site-packages/autoscaler")
    make_next(code, tree / CONFIG[1:])
    subprocess.run(("dpkg-deb", "-Zzstd", "--root-owner-group", "--build", tree, file), check=True)
    return file


@pytest.fixture(scope="session")
def booted(package: Path, folder: Path) -> Iterator[DebianMachine]:
    """A machine with libvirt and QEMU, on which `apt-get install` installed the package before it booted."""
    place = folder / "machine"
    place.mkdir()
    libvirt = ("libvirt-daemon-system", "libvirt-clients", "polkitd", "qemu-system-x86")
    ansible_needs, readme_needs, remote_needs = "python3-apt", "curl", "openssh-server"
    machine = DebianMachine(RELEASE, place, package, *libvirt, ansible_needs, readme_needs, remote_needs)
    yield machine
    machine.close()
