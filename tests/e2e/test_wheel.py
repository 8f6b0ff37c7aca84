"""The wheel, for those who keep a Python environment of their own: it holds what the checkout does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
HELD_OUT = (".pyc", ".so")
"""What interpreter and compiler leave in a checkout."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout as pip unpacks it, without what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    for command in (
        ("wheel", "--no-deps", "--wheel-dir", folder / "dist", PROJECT),
        ("install", "--no-deps", "--no-index", "--find-links", folder / "dist", "vcpu-autoscaler"),
    ):
        target = ("--target", folder / "unpacked") if command[0] == "install" else ()
        done = subprocess.run(
            (sys.executable, "-m", "pip", *command, *target),
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return folder / "unpacked"


def contents(package: Path) -> dict[str, bytes]:
    """Every file of the package, by its path in it."""
    return {
        str(path.relative_to(package)): path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in HELD_OUT
    }


def test_the_wheel_holds_the_package_with_all_its_pages_and_nothing_else(unpacked: Path) -> None:
    assert contents(unpacked / "autoscaler") == contents(PROJECT / "autoscaler")
    assert {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")} == {
        "autoscaler",
        "bin",
    }


@pytest.mark.parametrize("command", ["autoscaler", "autoscaler-actuator"])
def test_its_commands_run(unpacked: Path, command: str) -> None:
    done = subprocess.run(
        (unpacked / "bin" / command, "--version"),
        env={"PYTHONPATH": str(unpacked), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("autoscaler")
