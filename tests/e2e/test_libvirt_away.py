"""The installed command over a libvirtd that is killed, restarted and hung while a real guest is scaled."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from autoscaler.lab.guest import Guest
from autoscaler.lab.image import Image
from autoscaler.lab.spec import GuestSpec
from tests.fakes.guest_homes import LibvirtHome, guest_home
from tests.fakes.quick_policy import quick_policy
from tests.fakes.running_service import RunningService, running_service

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a private libvirtd needs root")

KILLS = 20
POLICY = quick_policy(utilization="10%")
LOADS = (0.02, 0.14, 0.25)
"""Under that policy one, two and three vCPUs, and little of the host."""


class Scene:
    """A guest, its libvirtd, and the service over both."""

    def __init__(self, service: RunningService, home: LibvirtHome) -> None:
        self.service = service
        self.daemon = home.daemon
        self.guest: Guest = home.boot(GuestSpec(name="scaled"))

    def sampled_after(self, wall_s: float) -> None:
        self.service.wait_for("scaled", lambda domain: (domain["last_sample_wall_s"] or 0.0) > wall_s)

    def fits(self, load: float) -> None:
        vcpus = 1 + LOADS.index(load)
        self.service.wait_for("scaled", lambda domain: domain["vcpus"]["online"] == vcpus, timeout_s=60)

    def open_files(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.service.process.pid}/fd").iterdir())

    def trouble(self) -> str | None:
        (host,) = self.service.get("/api/v1/status")["hosts"]
        trouble: str | None = host["trouble"]
        return trouble


@pytest.fixture(scope="module")
def scene(lab_image: Image) -> Iterator[Scene]:
    folder = Path(tempfile.mkdtemp(prefix="vcpu-e2e-"))
    try:
        with guest_home("libvirt", lab_image) as home:
            assert isinstance(home, LibvirtHome)
            with running_service(folder, home.connection, policy=POLICY) as service:
                yield Scene(service, home)
    finally:
        shutil.rmtree(folder)


def test_a_daemon_killed_twenty_times_under_scaling_costs_no_vcpu_and_doubles_none(scene: Scene) -> None:
    chance = random.Random(20)
    files: list[int] = []
    for _ in range(KILLS):
        load = chance.choice(LOADS)
        scene.guest.load(load)
        time.sleep(chance.uniform(0.0, 2.5))
        scene.daemon.restart()
        scene.sampled_after(time.time())
        files.append(scene.open_files())
    for load in (LOADS[2], LOADS[0]):
        scene.guest.load(load)
        scene.fits(load)

    # Connections are opened as they are needed, and a question has some more for a moment.
    assert min(files[-5:]) <= max(files[:10]) + 1, files
    with closing(sqlite3.connect(scene.service.folder / "state/journal.sqlite")) as journal:
        reasons = {reason for (reason,) in journal.execute("SELECT DISTINCT reason FROM decisions")}
        most = journal.execute("SELECT max(plugged), max(target) FROM decisions").fetchone()
        wanted = journal.execute("SELECT max(to_vcpus) FROM operations WHERE direction = 'up'").fetchone()[0]
    assert "changed-by-hand" not in reasons
    assert most[0] <= wanted <= 4
    found = scene.service.domain("scaled")
    assert found is not None
    assert found["vcpus"]["plugged"] == wanted


def test_a_daemon_that_hangs_is_told_holds_no_tick_up_and_is_served_again(scene: Scene) -> None:
    ticks = scene.service.get("/api/v1/status")["ticks"]
    os.kill(scene.daemon.pid, signal.SIGSTOP)
    try:
        end_s = time.monotonic() + 30
        while scene.trouble() is None:
            assert time.monotonic() < end_s
            time.sleep(0.2)
        trouble = scene.trouble()
        assert trouble is not None
        assert "daemon" in trouble
        time.sleep(15)  # longer than keepalive takes to give the connections up
        assert scene.service.get("/api/v1/status")["ticks"] >= ticks + 12
        assert scene.service.domain("scaled") is not None
    finally:
        os.kill(scene.daemon.pid, signal.SIGCONT)
    scene.sampled_after(time.time())
    assert scene.trouble() is None


def test_a_service_that_is_stopped_while_it_opens_its_connections_ends_in_a_few_seconds() -> None:
    folder = Path(tempfile.mkdtemp(prefix="vcpu-e2e-"))
    silent = folder / "libvirt-sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
        daemon.bind(os.fspath(silent))
        daemon.listen()
        connection = f"libvirt: 'qemu+unix:///system?socket={silent}'"
        with running_service(folder, connection) as service:
            opened, _ = daemon.accept()
            begun_s = time.monotonic()
            assert service.stop() == 0
            assert time.monotonic() - begun_s < 6.0
            opened.close()
            assert service.log.read_text().endswith("stopped; every guest stays as it is\n")
    shutil.rmtree(folder)


def test_a_service_that_is_stopped_while_the_daemon_hangs_ends_in_a_few_seconds(scene: Scene) -> None:
    os.kill(scene.daemon.pid, signal.SIGSTOP)
    try:
        begun_s = time.monotonic()
        assert scene.service.stop() == 0
        assert time.monotonic() - begun_s < 6.0
    finally:
        os.kill(scene.daemon.pid, signal.SIGCONT)
    told = scene.service.log.read_text().splitlines()
    assert any("does not answer: its connections are left to end with this process" in line for line in told)
    assert told[-1].endswith("stopped; every guest stays as it is")
    scene.service.start()
    scene.sampled_after(time.time())
