"""Removal through libvirt against a real QEMU whose guest the test plays; see test_acpi_guest.py."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import libvirt
import pytest

from autoscaler.backends.acpi_reports import AT_ONCE
from tests.fakes.acpi_guest import kvm_opens
from tests.fakes.libvirt_acpi import FLOOD
from tests.fakes.libvirt_namespace import in_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_ejects = pytest.mark.skipif(
    not kvm_opens(), reason="emulation tells late that a vCPU is gone, or never, and /dev/kvm does not open"
)
needs_events = pytest.mark.skipif(
    libvirt.getVersion() < 12_004_000,
    reason="libvirt before 12.4 waits for the guest, and has no event of a vCPU that went",
)


@pytest.fixture(scope="module")
def seen() -> Iterator[dict[str, Any]]:
    """What one visit saw."""
    folder = Path(tempfile.mkdtemp(prefix="acpi-"))
    root = folder / "r"
    root.mkdir()
    command = [sys.executable, "-m", "tests.fakes.libvirt_acpi", str(root)]
    if os.geteuid() == 0:
        command = in_namespace(command, folder, hide_kvm=not kvm_opens())
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout)
    shutil.rmtree(folder)


def test_a_guest_whose_acpi_is_not_up_is_asked_later_unless_qemu_keeps_the_request(
    seen: dict[str, Any],
) -> None:
    assert seen["too_early"] in ("DomainBusy", 3)  # QEMU 10.0 and before; QEMU 11.1


def test_that_a_guest_is_slow_is_no_failure(seen: dict[str, Any]) -> None:
    assert (seen["silent"], seen["silent_plugged"]) == (3, 4)
    assert seen["silent_s"] < 10


@needs_events
def test_a_newer_libvirt_does_not_wait_for_the_guest(seen: dict[str, Any]) -> None:
    assert seen["silent_s"] < 3.0


def test_a_refusal_is_heard_with_its_meaning(seen: dict[str, Any]) -> None:
    assert seen["refused"] == "removal: refused: the guest does not support removal"


def test_a_backend_that_was_told_to_listen_hears_reports_before_it_has_changed_anything(
    seen: dict[str, Any],
) -> None:
    assert (seen["looking"], seen["listening"]) == (0, [0])


def test_a_flood_of_reports_is_bounded_and_counted(seen: dict[str, Any]) -> None:
    assert seen["flood_taken"] < AT_ONCE + 500
    assert seen["flood_taken"] + seen["flood_dropped"] >= FLOOD


def test_the_descriptors_of_qemu_are_counted(seen: dict[str, Any]) -> None:
    assert seen["descriptors"] > 10


def test_listening_and_removing_leave_no_mark_on_the_domain(seen: dict[str, Any]) -> None:
    assert not [taint for taint in seen["taints"] if "monitor" in taint]


@needs_ejects
def test_an_eject_after_the_time_out_is_heard_of_and_seen(seen: dict[str, Any]) -> None:
    assert seen["late"] == [0, 1, 2]
    assert "changed" in seen["late_heard"]


@needs_ejects
@needs_events
def test_libvirts_own_event_of_a_vcpu_that_went_is_heard(seen: dict[str, Any]) -> None:
    assert seen["late_overheard"] == ["changed"]


@needs_ejects
def test_a_guest_that_follows_at_once_is_seen_to(seen: dict[str, Any]) -> None:
    assert (seen["prompt"], seen["prompt_plugged"]) == (2, 2)
    assert seen["prompt_s"] < 5


@needs_ejects
def test_a_vcpu_that_goes_unasked_is_seen_gone_and_made_good(seen: dict[str, Any]) -> None:
    assert seen["unasked"] == [0]
    assert seen["grown_again"] == [0, 1, 2]
