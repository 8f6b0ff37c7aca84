"""The audit log only grows, keeps its chain over kills and full disks, and says when it cannot be written."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autoscaler.errors import AuditUnavailable
from autoscaler.service.audit_chain import MOST_LINE_BYTES, Head
from autoscaler.service.audit_files import audit_files
from autoscaler.service.audit_log import AuditLog
from autoscaler.service.audit_verify import Fault
from tests.fakes.audited import audit_log, content, entries, verdict_on, whats
from tests.fakes.simulated_guest import SimulatedClock

HOUR_S = 3600.0
DAY_S = 86400.0
YEARS_S = 3 * 365 * DAY_S


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def write(log: AuditLog, count: int) -> None:
    for number in range(count):
        log.require({"what": "began", "decision_id": number})


def written(folder: Path, count: int = 3) -> Head:
    with audit_log(folder) as log:
        write(log, count)
        return log.head


def faults(folder: Path) -> list[Fault]:
    return [finding.fault for finding in verdict_on(folder).findings]


@contextmanager
def most_file_bytes(count: int) -> Iterator[None]:
    """No file can be longer: what is written across that is cut short, as by a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def wait_until(holds: object) -> None:
    end_s = time.monotonic() + 20
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_each_line_has_its_number_and_the_hash_of_the_one_before(folder: Path) -> None:
    head = written(folder)
    found = entries(folder)
    assert [entry["seq"] for entry in found] == [1, 2, 3]
    assert [entry["prev"] for entry in found] == ["0" * 64, found[0]["hash"], found[1]["hash"]]
    assert head == Head(3, found[2]["hash"])
    assert verdict_on(folder).findings == ()


@pytest.mark.parametrize("umask", [0, 0o077])
def test_nobody_but_the_owner_and_the_group_reads_it_whatever_the_umask(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        written(folder)
    finally:
        os.umask(before)
    (file,) = audit_files(folder)
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o750, 0o640)


def test_a_file_that_others_may_read_is_taken_from_them(folder: Path) -> None:
    written(folder)
    (file,) = audit_files(folder)
    file.chmod(0o644)
    written(folder)
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_start_goes_on_where_the_log_ended(folder: Path) -> None:
    written(folder)
    written(folder)
    assert [entry["seq"] for entry in entries(folder)] == [1, 2, 3, 4, 5, 6]
    assert verdict_on(folder).findings == ()


def test_a_hostile_name_steers_no_terminal_and_breaks_no_line(folder: Path) -> None:
    with audit_log(folder) as log:
        log.require({"what": "began", "domain": "a\nb\x1b[2J\u202e\udc80"})
    assert content(folder).isascii()
    assert content(folder).count(b"\n") == 1
    assert b"\x1b" not in content(folder)
    assert verdict_on(folder).findings == ()


def test_endless_texts_are_cut_so_that_a_line_has_its_bounds(folder: Path) -> None:
    with audit_log(folder) as log:
        log.require({"what": "began"} | {f"key {number}": "\U0001f600" * 10_000 for number in range(9)})
    assert len(content(folder)) <= MOST_LINE_BYTES
    assert verdict_on(folder).findings == ()


def test_a_line_that_was_cut_short_anywhere_is_marked_and_nothing_is_taken_away(folder: Path) -> None:
    written(folder)
    (file,) = audit_files(folder)
    whole = file.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    for missing in range(2, last):
        file.write_bytes(whole[:-missing])
        written(folder, 1)
        assert file.read_bytes().startswith(whole[:-missing] + b"\n")
        assert whats(folder) == ["began", "began", "torn", "began"]
        verdict = verdict_on(folder)
        assert verdict.findings == ()
        assert verdict.notes == ("a write was cut short before line 3, and marked",)


def test_a_line_that_only_lacks_its_newline_is_a_line(folder: Path) -> None:
    written(folder)
    (file,) = audit_files(folder)
    file.write_bytes(file.read_bytes()[:-1])
    written(folder, 1)
    assert [entry["seq"] for entry in entries(folder)] == [1, 2, 3, 4]
    assert verdict_on(folder).findings == ()


def test_a_mark_that_was_cut_short_itself_is_marked_with_the_rest(folder: Path) -> None:
    written(folder)
    (file,) = audit_files(folder)
    file.write_bytes(file.read_bytes()[:-30])
    written(folder, 1)
    marked = file.read_bytes()
    file.write_bytes(marked[: marked.index(b'"torn"') + 3])
    written(folder, 1)
    assert whats(folder) == ["began", "began", "torn", "began"]
    assert verdict_on(folder).findings == ()


def test_a_file_that_was_begun_and_got_no_line_is_gone_on_with(folder: Path) -> None:
    written(folder)
    (folder / "000000000004.jsonl").touch()
    written(folder, 2)
    assert len(audit_files(folder)) == 2
    assert [entry["seq"] for entry in entries(folder)] == [1, 2, 3, 4, 5]
    assert verdict_on(folder).findings == ()


def test_files_follow_each_other_by_size_and_are_one_chain(folder: Path) -> None:
    with audit_log(folder, file_bytes=1000) as log:
        write(log, 30)
    first, second, *_ = audit_files(folder)
    assert 1000 <= first.stat().st_size < 1300
    last = entries(folder)[int(second.stem) - 2]
    assert f'"prev":"{last["hash"]}"' in second.read_text().splitlines()[0]
    verdict = verdict_on(folder)
    assert (verdict.lines, verdict.first, verdict.findings) == (30, 1, ())


def test_a_file_of_some_age_is_followed_by_a_new_one(folder: Path) -> None:
    clock = SimulatedClock()
    with audit_log(folder, clock, file_s=DAY_S) as log:
        write(log, 2)
        log.look_after()
        assert len(audit_files(folder)) == 1
        clock.now_s += 2 * DAY_S
        log.look_after()
        write(log, 1)
    assert [file.name for file in audit_files(folder)] == ["000000000001.jsonl", "000000000003.jsonl"]
    assert verdict_on(folder).findings == ()


def pass_two_days(log: AuditLog, clock: SimulatedClock) -> None:
    """Have something to write, and the time go on."""
    write(log, 2)
    clock.now_s += 2 * DAY_S
    log.look_after()


def test_old_files_are_forgotten_whole_and_the_log_says_from_where_it_begins(folder: Path) -> None:
    clock = SimulatedClock()
    with audit_log(folder, clock, file_s=DAY_S, keep_s=10 * DAY_S) as log:
        for _ in range(20):
            pass_two_days(log, clock)
    verdict = verdict_on(folder)
    assert verdict.findings == ()
    assert verdict.first is not None
    assert verdict.first > 20
    assert f"the chain begins at line {verdict.first}: older ones were forgotten" in verdict.notes
    assert "dropped" in whats(folder)
    assert len(audit_files(folder)) <= 8


@pytest.mark.parametrize("first", [b'{"at_wall_s":1600', b"\0" * 300], ids=["half a line", "zeros"])
def test_a_file_whose_first_line_was_cut_short_keeps_no_file_from_being_forgotten(
    folder: Path, first: bytes
) -> None:
    clock = SimulatedClock()
    written(folder)
    (folder / "000000000004.jsonl").write_bytes(first)
    with audit_log(folder, clock, file_s=DAY_S, keep_s=10 * DAY_S) as log:
        for _ in range(20):
            pass_two_days(log, clock)
            assert faults(folder) == []
    assert len(audit_files(folder)) <= 8
    assert audit_files(folder)[0].name > "000000000020.jsonl"


def test_a_first_line_that_somebody_edited_is_found_though_what_came_before_is_forgotten(
    folder: Path,
) -> None:
    clock = SimulatedClock()
    with audit_log(folder, clock, file_s=DAY_S, keep_s=10 * DAY_S) as log:
        for _ in range(2):
            pass_two_days(log, clock)
        second = audit_files(folder)[1]
        second.write_bytes(second.read_bytes().replace(b'"began"', b'"ended"', 1))
        write(log, 1)
        clock.now_s += 9 * DAY_S
        log.look_after()
    assert audit_files(folder)[0] == second
    assert faults(folder) == [Fault.EDITED]


def look_for(seconds: float, log: AuditLog, clock: SimulatedClock, *, every_s: float = 600) -> None:
    """Let time go by, with a look and a line now and then."""
    for _ in range(int(seconds / every_s)):
        clock.now_s += every_s
        log.look_after()
        write(log, 1)


@pytest.mark.parametrize("begins", ["before it", "with it"])
def test_a_clock_that_is_years_ahead_until_it_is_set_right_costs_no_file(folder: Path, begins: str) -> None:
    clock = SimulatedClock()
    limits = {"file_s": DAY_S, "keep_s": 30 * DAY_S}
    with audit_log(folder, clock, **limits) as log:
        look_for(20 * DAY_S, log, clock, every_s=2 * DAY_S)
        before = audit_files(folder)
        clock.wall_offset_s += YEARS_S
        if begins == "before it":
            look_for(5 * HOUR_S, log, clock)
    with audit_log(folder, clock, **limits) as log:
        look_for(5 * HOUR_S, log, clock)
        clock.wall_offset_s -= YEARS_S
        look_for(5 * HOUR_S, log, clock)
        assert audit_files(folder) == before
        # Nothing of that keeps them from being forgotten once they are old.
        look_for(40 * DAY_S, log, clock, every_s=2 * DAY_S)
    assert not set(before) & set(audit_files(folder))
    assert verdict_on(folder).findings == ()


def test_a_log_begun_by_a_clock_that_was_years_ahead_has_a_new_file_when_it_is_set_right(
    folder: Path,
) -> None:
    clock = SimulatedClock()
    clock.wall_offset_s += YEARS_S
    with audit_log(folder, clock, file_s=30 * DAY_S) as log:
        write(log, 1)
        clock.wall_offset_s -= YEARS_S
        look_for(7 * HOUR_S, log, clock)
    assert len(audit_files(folder)) == 2


def test_a_clock_that_was_set_is_believed_once_it_has_gone_on_evenly_for_6_hours(folder: Path) -> None:
    clock = SimulatedClock()
    with audit_log(folder, clock, file_s=DAY_S, keep_s=30 * DAY_S) as log:
        look_for(20 * DAY_S, log, clock, every_s=2 * DAY_S)
        before = audit_files(folder)
        clock.wall_offset_s += YEARS_S
        look_for(6 * HOUR_S, log, clock)
        assert audit_files(folder) == before
        look_for(HOUR_S, log, clock)
        assert audit_files(folder)[0] == before[-1]
    assert verdict_on(folder).findings == ()


def test_all_files_together_stay_within_their_bytes(folder: Path) -> None:
    with audit_log(folder, most_bytes=8000) as log:
        for _ in range(50):
            write(log, 5)
            log.look_after()
    assert len(content(folder)) < 8000 + 2500
    assert verdict_on(folder).findings == ()


def test_an_old_file_that_somebody_removed_is_missing(folder: Path) -> None:
    with audit_log(folder, file_bytes=1000) as log:
        write(log, 30)
    first, second, *_ = audit_files(folder)
    first.unlink()
    (finding,) = verdict_on(folder).findings
    assert finding.fault is Fault.MISSING
    assert f"lines 1 to {int(second.stem) - 1} are missing" in finding.sentence


def test_a_full_disk_refuses_what_is_not_to_be_done_unsaid_and_the_log_tells_of_it_later(
    folder: Path,
) -> None:
    with audit_log(folder) as log:
        write(log, 3)
        room = len(content(folder)) + 50
        with most_file_bytes(room):
            for _ in range(3):
                with pytest.raises(AuditUnavailable, match="no guest is changed until it can"):
                    log.require({"what": "began"})
            log.note({"what": "ordered", "who": "uid 0"})
            assert "audit" in log.troubles
        assert verdict_on(folder).findings == ()  # cut short at its end, and not marked yet
        log.require({"what": "began"})
        assert log.troubles == {}
    assert whats(folder) == ["began", "began", "began", "torn", "unwritable", "ordered", "began"]
    verdict = verdict_on(folder)
    assert (verdict.findings, len(verdict.notes)) == ((), 1)


def test_a_disk_that_does_not_take_what_was_written_refuses_too_until_it_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("autoscaler.service.audit_disk._AGAIN_S", 0.01)
    with audit_log(folder) as log:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fails)
            log.require({"what": "began"})
            wait_until(lambda: log.troubles)
            with pytest.raises(AuditUnavailable, match="Input/output error"):
                log.require({"what": "began"})
            log.note({"what": "ordered"})
            assert "audit" in log.troubles
        wait_until(lambda: not log.troubles)
        log.require({"what": "began"})
    assert whats(folder) == ["began", "ordered", "began"]


def test_a_slow_disk_holds_up_no_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, goes_on, ended = list[int](), threading.Event(), list[bool]()

    def slow(descriptor: int) -> None:
        asked.append(descriptor)
        ended.append(goes_on.wait(20))

    monkeypatch.setattr(os, "fsync", slow)
    with audit_log(folder) as log:
        write(log, 1)
        wait_until(lambda: asked)
        write(log, 200)
        assert not ended
        goes_on.set()
    assert all(ended)
    assert len(asked) < 10


@pytest.mark.parametrize("how", ["removed", "cut", "replaced"])
def test_what_somebody_does_to_the_log_under_the_service_is_a_line_for_ever(folder: Path, how: str) -> None:
    with audit_log(folder) as log:
        write(log, 5)
        (file,) = audit_files(folder)
        if how == "removed":
            file.unlink()
        elif how == "cut":
            file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:3]))
        else:
            file.rename(folder / "away")
            file.write_bytes((folder / "away").read_bytes()[:-10])
        log.look_after()
        write(log, 1)
    assert whats(folder)[-1] == "began"
    assert Fault.CUT in faults(folder)


def test_a_log_that_ends_before_a_line_that_was_there_says_so(folder: Path) -> None:
    head = written(folder)
    (file,) = audit_files(folder)
    file.write_bytes(file.read_bytes().splitlines(keepends=True)[0])
    with audit_log(folder) as log:
        log.expect(head)
    assert whats(folder) == ["began", "lost"]
    assert faults(folder) == [Fault.CUT]


def test_a_log_in_which_a_line_is_another_than_it_was_says_so(folder: Path) -> None:
    written(folder)
    with audit_log(folder) as log:
        log.expect(Head(2, "a" * 64))
        log.expect(log.head)
    assert whats(folder) == ["began", "began", "began", "lost"]


def test_a_folder_that_cannot_be_used_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("no folder")
    with pytest.raises(AuditUnavailable, match=r"audit log .*audit cannot be"):
        AuditLog(tmp_path / "audit", clock=SimulatedClock())


def test_a_link_or_a_pipe_in_the_place_of_a_file_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    link = folder / "000000000001.jsonl"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditUnavailable):
        AuditLog(folder, clock=SimulatedClock())
    link.unlink()
    os.mkfifo(link)
    with pytest.raises(AuditUnavailable):
        verdict_on(folder)
    with pytest.raises(AuditUnavailable):
        AuditLog(folder, clock=SimulatedClock())
