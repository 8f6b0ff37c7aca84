"""The journal on disks that are full, read-only or damaged: one sentence, and no change without a record."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.core.orders import EVERY, Order, OrderKind
from autoscaler.core.policy import Match, Policy, TargetStrategy
from autoscaler.core.reason import Reason
from autoscaler.errors import AutoscalerError, JournalUnavailable
from autoscaler.service.config import Config
from autoscaler.service.daemon import Service
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.journal_reader import events
from autoscaler.service.journal_reserve import Reserve
from autoscaler.service.settings import QmpFolderConnection
from tests.fakes import read_only_disk
from tests.fakes.examples import GROWTH
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a file system of one's own needs root")


class Machine:
    """A guest of one vCPU under a service whose state lies in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SimulatedClock()
        self.guest = SimulatedGuest("web-1", self.clock)
        self.start()

    def start(self) -> None:
        policy = Policy(
            name="web", match=Match(name=("web-*",)), strategy=TargetStrategy(utilization_ratio=0.7)
        )
        host = SimulatedHost(self.clock, [self.guest])
        self.simulation = Simulation(host, [policy], folder=self.folder)
        self.run = self.simulation.run

    @property
    def reason(self) -> Reason:
        decision = self.simulation.domain("web-1").decision
        assert decision is not None
        return decision.reason

    def outcomes(self) -> list[object]:
        found = (event["operation"] for event in events(self.folder / "journal.sqlite"))
        return [operation["outcome"] for operation in found if isinstance(operation, dict)]


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
        machine = Machine(folder)
        machine.run(3)
        filler = fill(folder)
        machine.guest.set(demand=1.8)
        machine.run(20)
        assert "make room on its file system" in machine.simulation.snapshot.troubles["journal"]
        assert (machine.reason, machine.guest.plugs) == (Reason.UNRECORDED, [])
        assert machine.simulation.domain("web-1").load is not None
        filler.unlink()
        machine.run(5)
        assert machine.guest.plugs == [3]
        assert machine.simulation.snapshot.troubles == {}
        machine.simulation.journal.close()


@needs_root
def test_a_full_disk_is_noticed_by_a_flush_that_has_nothing_to_write(tmp_path: Path) -> None:
    with file_system(tmp_path / "small", "size=256k") as folder:
        journal = SqliteJournal(folder / "journal.sqlite")
        filler = fill(folder)
        with pytest.raises(JournalUnavailable, match="make room on its file system"):
            journal.flush()
        filler.unlink()
        journal.flush()
        journal.close()


@needs_root
def test_a_disk_that_fills_up_during_a_change_records_its_end_later(tmp_path: Path) -> None:
    with file_system(tmp_path / "small", "size=1m") as folder:
        machine = Machine(folder)
        machine.guest.set(demand=1.8, onlines=False)
        machine.run(4)
        filler = fill(folder)
        machine.guest.set(onlines=True)
        machine.run(10)
        assert len(machine.guest.online) == 3  # what was begun was recorded, and goes on
        filler.unlink()
        machine.run(60)
        assert machine.outcomes() == ["done"]
        machine.simulation.journal.close()


PAUSE = Order(domain=EVERY, name="", kind=OrderKind.PAUSE, by_uid=0, at_wall_s=1000.0)


@needs_root
def test_an_order_that_is_given_on_a_full_disk_is_on_record_at_the_next_start(tmp_path: Path) -> None:
    with file_system(tmp_path / "small", "size=1m") as folder:
        machine = Machine(folder)
        machine.run(3)
        fill(folder)
        machine.guest.set(demand=1.8)
        machine.run(20)
        assert machine.reason is Reason.UNRECORDED
        assert machine.simulation.controller.give(PAUSE)
        machine.start()
        machine.run(3)
        assert [order.domain for order in machine.simulation.recorder.orders()] == [EVERY]
        machine.simulation.journal._db.close()


@needs_root
def test_one_order_after_the_other_is_recorded_on_a_full_disk(tmp_path: Path) -> None:
    with file_system(tmp_path / "small", "size=1m") as folder:
        journal = SqliteJournal(folder / "journal.sqlite")
        for number in range(1, 30):
            fill(folder)
            journal.ordered(replace(PAUSE, by_uid=number))
            assert journal.orders() == [replace(PAUSE, by_uid=number)]
        fill(folder)
        journal.order_ended(EVERY)
        assert journal.orders() == []
        with pytest.raises(JournalUnavailable, match="make room on its file system"):
            journal.decided(GROWTH, wall_s=1000.0, digest="d")
        journal._db.close()


@needs_root
def test_an_order_is_refused_by_a_journal_without_room_until_it_had_some_again(tmp_path: Path) -> None:
    with file_system(tmp_path / "small", "size=256k") as folder:
        journal = SqliteJournal(folder / "journal.sqlite")
        Reserve(folder / "journal.sqlite").give_up()
        filler = fill(folder)
        with pytest.raises(JournalUnavailable, match="make room on its file system"):
            journal.ordered(PAUSE)
        filler.unlink()
        journal.flush()
        fill(folder)
        journal.ordered(PAUSE)
        assert journal.orders() == [PAUSE]
        journal._db.close()


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


@read_only_disk.needs_library
def test_a_disk_that_becomes_read_only_changes_nothing_until_it_can_be_written_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run(3)
    machine.guest.set(demand=1.8)
    with read_only_disk.read_only_disk():
        machine.run(200)
        assert (machine.reason, machine.guest.plugs) == (Reason.UNRECORDED, [])
        assert "became read-only" in machine.simulation.snapshot.troubles["journal"]
        assert machine.simulation.domain("web-1").load is not None
    machine.run(5)
    assert machine.guest.plugs == [3]
    assert machine.simulation.snapshot.troubles == {}
    assert machine.outcomes() == ["done"]


@read_only_disk.needs_library
def test_a_disk_that_becomes_read_only_during_a_change_has_its_end_recorded_later(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.guest.set(demand=1.8, onlines=False)
    machine.run(4)
    with read_only_disk.read_only_disk():
        machine.guest.set(onlines=True)
        machine.run(100)
        assert len(machine.guest.online) == 3  # what was begun was recorded, and goes on
        assert machine.outcomes() == [None]
    machine.run(60)
    assert machine.outcomes() == ["done"]


@contextmanager
def failing_disk(place: Path) -> Iterator[Callable[[], None]]:
    """A disk of the test's own, mounted at `place`; what it yields makes it fail."""
    image = place.with_suffix(".img")
    image.write_bytes(b"")
    os.truncate(image, 16 << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", image], check=True)
    place.mkdir()
    mounting = ("mount", "-o", "loop,errors=remount-ro", image, place)
    mounted = subprocess.run(mounting, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file can be mounted as a disk here: {mounted.stderr.strip()}")
    device = place.stat().st_dev
    name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    trigger = Path(f"/sys/fs/ext4/{name}/trigger_fs_error")

    def fail() -> None:
        trigger.write_text("a test of the autoscaler")

    try:
        yield fail
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@needs_root
def test_a_disk_that_fails_under_the_service_changes_nothing_and_the_next_start_is_refused(
    tmp_path: Path,
) -> None:
    with failing_disk(tmp_path / "disk") as fail:
        machine = Machine(tmp_path / "disk")
        machine.run(3)
        fail()
        machine.guest.set(demand=1.8)
        machine.run(60)
        assert (machine.reason, machine.guest.plugs) == (Reason.UNRECORDED, [])
        assert machine.simulation.snapshot.troubles["journal"]
        with pytest.raises(JournalUnavailable):
            machine.start()
        assert machine.guest.plugs == []
        with suppress(JournalUnavailable):
            machine.simulation.journal.close()


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


@needs_root
def test_a_state_folder_that_the_unit_does_not_open_is_told_with_the_line_that_opens_it(
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.yaml"
    (tmp_path / "web.yaml").write_text("version: 1\npolicies: [{name: web, match: {name: [web]}}]\n")
    (tmp_path / "elsewhere").mkdir()
    config.write_text(
        f"version: 1\nconnections: [{{qmp: {tmp_path}}}]\npolicies: [web.yaml]\nstate: elsewhere/state\n"
    )
    program = "from autoscaler.cli.main import main; main()"
    # As ProtectSystem=strict leaves it.
    shut = f'mount -t tmpfs -o ro none {tmp_path}/elsewhere && exec "$@"'
    command = ("unshare", "--mount", "sh", "-c", shut, "sh", sys.executable, "-c", program)
    ran = subprocess.run(
        (*command, "run", "--config.file", config), capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode
    assert "ReadWritePaths=" in ran.stderr
    assert f"{tmp_path}/elsewhere/state cannot be made or written to" in ran.stderr
