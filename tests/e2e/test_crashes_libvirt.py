"""The service killed at random moments while it scales a real guest through a real libvirtd."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from autoscaler.lab.image import Image
from autoscaler.lab.spec import GuestSpec
from autoscaler.service.config import LibvirtConnection
from autoscaler.service.journal_schema import schema_of
from tests.fakes.guest_homes import LibvirtHome, guest_home
from tests.fakes.mortal_service import MortalService

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a private libvirtd needs root")

KILLS = 25
LONGEST_LIFE_S = 2.0
"""A life's first change begins after about 0.5 s, and takes up to a second in an emulated guest."""
SIZES = (1, 2, 3)
POLICY = """\
version: 1
policies:
  - name: sized
    match: {{name: ["*"]}}
    vcpus: {{min: {size}, max: {size}}}
    limits: {{up: {{cooldown: 0s}}, down: {{step: 1, cooldown: 0s, per_day: 10000}}}}
"""
"""Its bounds say what the guest is to run, also on a host too busy to judge it by its load."""
CONVERGED_WITHIN_S = 40.0


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="vcpu-e2e-"))
    yield folder
    shutil.rmtree(folder)


def put_in_force(folder: Path, size: int) -> None:
    """Have the guest run so many vCPUs: by a whole file, for the service may be reading it now."""
    (folder / "new").write_text(POLICY.format(size=size))
    (folder / "new").rename(folder / "policy.yaml")


def violations(journal: Path, plugged: int) -> Iterator[str]:
    """What does not hold of the record, where so many vCPUs are plugged."""
    with closing(sqlite3.connect(journal if journal.exists() else ":memory:")) as db:
        if schema_of(db) == 0:  # killed before it had one
            if plugged > 1:
                yield f"{plugged} vCPUs are plugged without a journal"
            return
        if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            yield "the journal is damaged"
        intended = db.execute("SELECT max(to_vcpus) FROM operations WHERE direction = 'up'").fetchone()[0]
        if plugged > (intended or 1):
            yield f"{plugged} vCPUs are plugged, and at most {intended} were ever intended"
        open_still = db.execute(
            "SELECT count(*) FROM operations WHERE outcome IS NULL"
            " AND decision_id < (SELECT max(decision_id) FROM operations)"
        ).fetchone()[0]
        if open_still:
            yield "an operation was left open before another began"
        if db.execute("SELECT count(*) FROM decisions WHERE reason = 'changed-by-hand'").fetchone()[0]:
            yield "a change of the service's own was taken for somebody else's"


def newest_online(journal: Path) -> int:
    """The vCPUs that the guest ran when it was last decided."""
    with closing(sqlite3.connect(journal)) as db:
        online: int = db.execute("SELECT online FROM decisions ORDER BY id DESC LIMIT 1").fetchone()[0]
        return online


def test_kills_at_random_moments_over_a_real_libvirtd_double_and_lose_nothing(
    lab_image: Image, folder: Path
) -> None:
    journal, chance, broken = folder / "state/journal.sqlite", random.Random(25), list[str]()
    with guest_home("libvirt", lab_image) as home:
        assert isinstance(home, LibvirtHome)
        guest = home.boot(GuestSpec(name="scaled"))
        with MortalService(folder, LibvirtConnection(home.daemon.uri)) as service:
            for kill in range(KILLS):
                put_in_force(folder, chance.choice(SIZES))
                service.begin()
                service.end(signal.SIGKILL, after_s=chance.uniform(0.3, LONGEST_LIFE_S))
                time.sleep(0.1)  # what libvirtd was asked for before the kill it does all the same
                broken += [f"kill {kill}: {found}" for found in violations(journal, guest.vcpus()[0])]
            service.begin()
            for size in (3, 1):
                put_in_force(folder, size)
                end_s = time.monotonic() + CONVERGED_WITHIN_S
                while newest_online(journal) != size:
                    assert time.monotonic() < end_s, service.log.read_text()
                    time.sleep(0.2)
            service.end(signal.SIGTERM)
        broken += violations(journal, guest.vcpus()[0])
    with closing(sqlite3.connect(journal)) as db:
        changes = db.execute("SELECT count(*) FROM operations").fetchone()[0]
    assert broken == []
    assert changes > KILLS / 3
