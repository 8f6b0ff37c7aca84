"""KVM only where it really works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from autoscaler.lab.accel import Accel, usable_accel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("cpuinfo", "device", "expected"),
    [
        pytest.param("flags\t\t: fpu vmx sse\n", True, Accel.KVM, id="Intel"),
        pytest.param("processor : 0\nflags\t\t: fpu svm\n", True, Accel.KVM, id="AMD"),
        pytest.param("flags\t\t: fpu vmx\n", False, Accel.TCG, id="no device"),
        pytest.param("flags\t\t: fpu sse\n", True, Accel.TCG, id="a device that cannot run a kernel"),
        pytest.param("flags : fpu novmx svm_lock\n", True, Accel.TCG, id="flags that only look like it"),
        pytest.param("vmx flags : ept\nbugs : svm\n", True, Accel.TCG, id="the words elsewhere"),
        pytest.param(None, True, Accel.TCG, id="no cpuinfo"),
    ],
)
def test_kvm_needs_both_the_processor_flag_and_the_device(
    tmp_path: Path, cpuinfo: str | None, device: object, expected: Accel
) -> None:
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    if device:
        (tmp_path / "kvm").touch()
    assert usable_accel(cpuinfo=tmp_path / "cpuinfo", device=tmp_path / "kvm") is expected
