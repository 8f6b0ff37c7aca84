"""Chooses how guests are run: by KVM only where it really works, else by emulation (TCG).

A /dev/kvm can open and still be unable to run a kernel, on a host without the processor flags; its presence
alone decides nothing.
"""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path


class Accel(StrEnum):
    """An accelerator, by QEMU's name for it."""

    KVM = "kvm"
    TCG = "tcg"


KVM_DEVICE = Path("/dev/kvm")
_FLAGS = re.compile(r"^flags\s*:.*\b(svm|vmx)\b", re.MULTILINE)


def usable_accel(*, cpuinfo: Path = Path("/proc/cpuinfo"), device: Path = KVM_DEVICE) -> Accel:
    """Return KVM where the processor can virtualise and this process may open the device for both ways."""
    try:
        able = _FLAGS.search(cpuinfo.read_text()) is not None
        if able:
            os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return Accel.TCG
    return Accel.KVM if able else Accel.TCG
