"""The journal on disks that are full, read-only or damaged: one sentence, and no change without a record."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from autoscaler.core.policy import Match, Policy, TargetStrategy
from autoscaler.core.reason import Reason
from autoscaler.ports import AutoscalerError, JournalUnavailable
from autoscaler.service.config import Config
from autoscaler.service.daemon import Service
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.journal_reader import events
from autoscaler.service.settings import QmpFolderConnection
from tests.fakes.examples import GROWTH
from tests.fakes.simulated_host import SimulatedClock, SimulatedGuest, SimulatedHost, Simulation

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a file system of one's own needs root")


@contextmanager
def file_system(place: Path, options: str) -> Iterator[Path]:
    """A file system of the test's own, in memory."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(folder: Path) -> Path:
    """Leave no room in a file system, and return what takes it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


@needs_root
def test_a_disk_that_is_full_changes_nothing_until_there_is_room(tmp_path: Path) -> None:
    with file_system(tmp_path / "small", "size=1m") as folder:
        clock = SimulatedClock()
        guest = SimulatedGuest("web-1", clock)
        policy = Policy(
            name="web", match=Match(name=("web-*",)), strategy=TargetStrategy(utilization_ratio=0.7)
        )
        simulation = Simulation(SimulatedHost(clock, [guest]), [policy], folder=folder)
        simulation.run(3)
        filler = fill(folder)
        guest.set(demand=1.8)
        simulation.run(20)
        domain = simulation.domain("web-1")
        assert "make room on its file system" in simulation.snapshot.troubles["journal"]
        assert domain.decision is not None
        assert domain.decision.reason is Reason.UNRECORDED
        assert domain.load is not None
        assert guest.plugs == []
        filler.unlink()
        simulation.run(5)
        assert guest.plugs == [3]
        assert simulation.snapshot.troubles == {}
        simulation.journal.close()


@needs_root
def test_a_disk_that_fills_up_during_a_change_records_its_end_later(tmp_path: Path) -> None:
    with file_system(tmp_path / "small", "size=1m") as folder:
        clock = SimulatedClock()
        guest = SimulatedGuest("web-1", clock, onlines=False)
        policy = Policy(
            name="web", match=Match(name=("web-*",)), strategy=TargetStrategy(utilization_ratio=0.7)
        )
        simulation = Simulation(SimulatedHost(clock, [guest]), [policy], folder=folder)
        guest.set(demand=1.8)
        simulation.run(4)
        filler = fill(folder)
        guest.set(onlines=True)
        simulation.run(10)
        assert len(guest.online) == 3  # what was begun was recorded, and goes on
        filler.unlink()
        simulation.run(60)
        (growth,) = (event["operation"] for event in events(folder / "journal.sqlite") if event["operation"])
        assert isinstance(growth, dict)
        assert growth["outcome"] == "done"
        simulation.journal.close()


@needs_root
def test_a_full_disk_at_the_start_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with file_system(tmp_path / "small", "size=64k") as folder:
        fill(folder)
        with pytest.raises(JournalUnavailable, match="make room on its file system"):
            SqliteJournal(folder / "journal.sqlite")


@needs_root
def test_a_read_only_disk_at_the_start_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with file_system(tmp_path / "rescue", "size=1m") as folder:
        SqliteJournal(folder / "journal.sqlite").close()
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with pytest.raises(JournalUnavailable, match="file system that can be written"):
            SqliteJournal(folder / "journal.sqlite")
        config = Config(connections=(QmpFolderConnection(tmp_path),), policies=(), state=folder)
        with pytest.raises(AutoscalerError, match=r"Read-only file system.*key 'state'"):
            Service(config)


def test_a_limit_on_the_size_of_files_is_an_error_with_a_name(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        with pytest.raises(JournalUnavailable, match="cannot be used"):
            journal.decided(GROWTH, wall_s=1.0, digest="d")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert journal.decided(GROWTH, wall_s=2.0, digest="d") > 0
    journal.close()


def test_a_file_whose_pages_are_damaged_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = SqliteJournal(path)
    for number in range(100):
        journal.decided(GROWTH, wall_s=float(number), digest="d")
    journal.close()
    whole = path.read_bytes()
    damaged = whole[:4096] + b"\xde\xad" * ((len(whole) - 4096) // 2)
    path.write_bytes(damaged)
    with pytest.raises(JournalUnavailable, match="move the file away and restart the service"):
        SqliteJournal(path)
    assert path.read_bytes() == damaged
