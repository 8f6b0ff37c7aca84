"""Which job holds a guest of QEMU's, and which does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.qmp_room import QmpRoom, only
from tests.fakes.scripted_qmp import BEFORE_5_2, Fault, Reply


@pytest.fixture
def room(tmp_path: Path) -> Iterator[QmpRoom]:
    with QmpRoom(tmp_path) as room:
        yield room


def test_a_guest_in_no_job_has_none(room: QmpRoom) -> None:
    assert only(room.look(room.serve())).job == ""


@pytest.mark.parametrize(
    ("status", "job"),
    [
        *((status, "migration") for status in ("setup", "active", "postcopy-active")),
        *((status, "") for status in ("completed", "failed", "cancelled", "none")),
    ],
)
def test_a_migration_holds_its_guest_until_it_is_over(room: QmpRoom, status: str, job: str) -> None:
    assert only(room.look(room.serve(migration=status))).job == job


@pytest.mark.parametrize(
    ("jobs", "job"),
    [
        pytest.param([{"id": "b", "type": "backup", "status": "running"}], "backup", id="backup"),
        pytest.param([{"id": "s", "type": "snapshot-save", "status": "running"}], "snapshot", id="snapshot"),
        pytest.param([{"id": "b", "type": "backup", "status": "concluded"}], "", id="a backup that is over"),
        pytest.param([{"id": "m", "type": "mirror", "status": "ready"}], "", id="a mirror, for days"),
    ],
)
def test_a_backup_and_a_snapshot_hold_their_guest_and_a_mirror_does_not(
    room: QmpRoom, jobs: list[Reply], job: str
) -> None:
    assert only(room.look(room.serve(jobs=jobs))).job == job


def test_a_qemu_that_knows_no_such_jobs_is_seen_all_the_same(room: QmpRoom) -> None:
    server = room.serve(version=BEFORE_5_2, faults={"query-jobs": Fault.REFUSES})
    assert only(room.look(server)).job == ""
