"""The backend over a real QEMU by libvirt's embedded driver, no daemon involved."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.libvirt_namespace import in_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def seen() -> Iterator[dict[str, Any]]:
    """What one visit saw."""
    folder = Path(tempfile.mkdtemp(prefix="embed-"))
    root = folder / "r"
    root.mkdir()
    command = [sys.executable, "-m", "tests.fakes.libvirt_embedded", str(root)]
    if os.geteuid() == 0:
        command = in_namespace(command, folder)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout)
    shutil.rmtree(folder)


def test_a_guest_is_seen_and_grown(seen: dict[str, Any]) -> None:
    assert (seen["empty"], seen["before"], seen["after"], seen["maximum"]) == (0, 1, 3, 4)
    assert seen["state"] == "running"


def test_the_wait_of_its_vcpus_for_the_host_is_seen_under_emulation_too(seen: dict[str, Any]) -> None:
    assert seen["delay_s"] >= 0


def test_its_start_is_heard(seen: dict[str, Any]) -> None:
    assert "started" in seen["heard"]


def test_the_versions_of_libvirt_and_qemu_are_told(seen: dict[str, Any]) -> None:
    assert [version.count(".") for version in seen["versions"]] == [2, 2]


def test_closing_leaves_the_guest_running(seen: dict[str, Any]) -> None:
    assert seen["runs_after_close"]


def test_a_second_folder_in_one_process_is_explained(seen: dict[str, Any]) -> None:
    assert "a process can have one such folder" in seen["second_folder"]
