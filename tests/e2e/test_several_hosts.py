"""One service over several connections: each is on its own, whatever becomes of the others."""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hung_daemon import hung_daemon
from tests.fakes.running_service import RunningService, running_service
from tests.fakes.scripted_folder import FolderGuest

GUESTS = 3
WATCHED_S = 8.0
LATEST_S = 1.6
"""Longest between two samples of a guest, at one a second and on a busy machine."""


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="vcpu-hosts-"))
    (folder / "g").mkdir()
    yield folder
    shutil.rmtree(folder)


def hosts(service: RunningService, series: str) -> dict[str, float]:
    """A series by its host."""
    pattern = rf'^vcpu_autoscaler_{series}\{{host="([^"]+)"[^}}]*\}} (\S+)$'
    return {
        label: float(value) for label, value in re.findall(pattern, service.get("/metrics"), re.MULTILINE)
    }


def longest_gap_s(guest: FolderGuest, since_s: float) -> float:
    moments = [since_s, *(at_s for at_s in guest.guest.sampled_s if at_s > since_s), time.monotonic()]
    return max(after - before for before, after in itertools.pairwise(moments))


def test_a_hung_and_a_refused_host_delay_no_guest_of_another(folder: Path) -> None:
    pytest.importorskip("libvirt")
    refused = f"qemu+unix:///system?socket={folder}/nobody.sock"
    with contextlib.ExitStack() as running:
        hung = running.enter_context(hung_daemon(folder / "hung.sock"))
        guests = [
            running.enter_context(FolderGuest(folder / "g", f"web-{number}")) for number in range(GUESTS)
        ]
        connections = f"libvirt: '{hung}'}}, {{libvirt: '{refused}'}}, {{qmp: {folder}/g"
        service = running.enter_context(running_service(folder, connections))
        service.wait_for_tick(timeout_s=60)
        for guest in guests:
            service.wait_for(guest.name, lambda found: found["load"] is not None)
        since_s = time.monotonic()
        guests[0].guest.load_vcpus = 2.0
        # Three connections to this machine share its CPUs: what one of them knows is what all have.
        assert len(set(hosts(service, "host_cpus").values())) == 1
        service.wait_for(guests[0].name, lambda found: found["vcpus"]["online"] == 3)
        time.sleep(max(0.0, since_s + WATCHED_S - time.monotonic()))
        assert max(longest_gap_s(guest, since_s) for guest in guests) < LATEST_S
        assert hosts(service, "host_connected") == {hung: 0.0, refused: 0.0, f"qmp:{folder}/g": 1.0}
        assert service.stop() == 0
