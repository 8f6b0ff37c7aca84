"""The real controller over a real libvirt and QEMU where libvirt hears late that a vCPU is gone.

That is how newer QEMUs behave under emulation; see tests/fakes/libvirt_drift.py.
"""

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

from tests.fakes.acpi_guest import TELLS_LATE, qemu_version
from tests.fakes.libvirt_namespace import in_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    qemu_version() < TELLS_LATE,
    reason="emulation before QEMU 11.1 never tells that a vCPU is gone",
)


@pytest.fixture(scope="module")
def seen() -> Iterator[dict[str, Any]]:
    """What was seen in each story."""
    folder = Path(tempfile.mkdtemp(prefix="late-"))
    root = folder / "r"
    root.mkdir()
    command = [sys.executable, "-m", "tests.fakes.libvirt_drift", str(root)]
    if os.geteuid() == 0:
        command = in_namespace(command, folder)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout)
    shutil.rmtree(folder)


@pytest.mark.parametrize("story", ["as_many", "more", "idle"])
def test_the_hypervisor_counts_a_vcpu_that_the_guest_has_given_back(seen: dict[str, Any], story: str) -> None:
    assert seen[story]["before"] == {"plugged": 3, "listed": [0, 1], "asked": [2]}


def test_a_growth_to_as_many_as_are_counted_finds_out_and_makes_good(seen: dict[str, Any]) -> None:
    assert seen["as_many"]["counts"] == [3, 2, 3]
    assert seen["as_many"]["online"] == seen["as_many"]["slots"] == [0, 1, 2]


def test_a_growth_that_ends_one_short_goes_on_until_it_is_right(seen: dict[str, Any]) -> None:
    assert seen["more"]["counts"][-1] == 4
    assert seen["more"]["online"] == seen["more"]["slots"] == [0, 1, 2, 3]


def test_with_nothing_to_grow_the_count_comes_right_in_time(seen: dict[str, Any]) -> None:
    assert seen["idle"]["counts"][-1] == 1
    assert seen["idle"]["slots"] == [0]


@pytest.mark.parametrize("story", ["as_many", "more", "idle"])
def test_it_is_neither_stuck_nor_taken_for_somebody_elses_change(seen: dict[str, Any], story: str) -> None:
    assert not {"stuck", "failed", "externally-modified"} & set(seen[story]["conditions"])
