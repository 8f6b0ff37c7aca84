"""A real guest that QEMU emulates, under a policy that would have its vCPUs go back: it outlives that."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import pytest

from autoscaler.lab.accel import Accel
from autoscaler.lab.image import Image
from autoscaler.lab.spec import GuestSpec
from tests.fakes.guest_homes import guest_home
from tests.fakes.quick_policy import QUICK_POLICY
from tests.fakes.running_service import RunningService, running_service

POLICY = QUICK_POLICY.replace("cooldown: 1s}", "cooldown: 1s, reclaim: unplug}")
LONG_ENOUGH_S = 6.0
"""For a vCPU to be asked back where nothing speaks against it, and its cooldown besides."""


def order(service: RunningService, *words: str) -> None:
    done = service.ask(*words, "--config.file", str(service.config))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["qmp", "libvirt"])
def test_an_emulated_guest_keeps_its_vcpus_plugged_and_grows_again(kind: str, lab_image: Image) -> None:
    folder = Path(tempfile.mkdtemp(prefix="vcpu-e2e-"))
    try:
        with (
            guest_home(kind, lab_image) as home,
            running_service(folder, home.connection, policy=POLICY) as service,
            home.boot(GuestSpec(name="emulated"), accel=Accel.TCG),
        ):
            service.wait_for("emulated", lambda domain: domain["load"] is not None)
            for _ in range(2):
                for vcpus in (3, 1):
                    # By an order: whether a load grows it depends on what else the host does.
                    order(service, "set", "emulated", str(vcpus))
                    service.wait_for("emulated", lambda domain: domain["vcpus"]["online"] == vcpus)  # noqa: B023
                order(service, "resume", "emulated")
                time.sleep(LONG_ENOUGH_S)
                told = service.domain("emulated")
                assert told is not None
                assert told["vcpus"]["plugged"] == 3
                assert (told["removal"], told["last_removal"]) == (None, None)
                assert "run it with KVM" in told["conditions"]["emulated"]
    finally:
        shutil.rmtree(folder)
