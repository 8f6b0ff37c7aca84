"""What a guest reports of its slots: in words, and however much of it there is."""

from __future__ import annotations

import pytest

from autoscaler.backends.acpi_reports import AT_ONCE, PER_S, ReportLog
from autoscaler.core.acpi import SlotReport


def event(**changes: object) -> dict[str, object]:
    return {"info": {"source": 0x103, "status": 0x80, "slot": "2", "slot-type": "CPU", **changes}}


@pytest.mark.parametrize(
    ("source", "status", "refuses", "words"),
    [
        pytest.param(0x103, 0x00, False, "removal: done", id="done"),
        pytest.param(0x103, 0x84, False, "removal: removal in progress", id="under way"),
        pytest.param(0x103, 0x80, True, "removal: refused: the guest does not support removal", id="never"),
        pytest.param(0x03, 0x82, True, "removal: refused: busy", id="busy"),
        pytest.param(0x103, 0x01, True, "removal: failed, for no stated reason", id="failed"),
        pytest.param(0x103, 0x99, True, "removal: status 0x99, which has no meaning", id="unknown status"),
        pytest.param(0x01, 0x00, False, "insertion: done", id="insertion"),
        pytest.param(0x200, 0x82, False, "insertion: refused: the guest does not support insertion", id="no"),
        pytest.param(0x42, 0x00, False, "event 0x42: done", id="other event"),
    ],
)
def test_a_report_says_in_words_what_the_guest_means(
    *, source: int, status: int, refuses: bool, words: str
) -> None:
    report = SlotReport(source=source, status=status, at_s=1.0)

    assert (report.refuses, report.meaning) == (refuses, words)


def test_the_newest_report_of_each_slot_is_kept() -> None:
    log = ReportLog()
    for slot, status in (("2", 0x84), ("3", 0x80), ("2", 0x00)):
        assert log.take(event(slot=slot, status=status), 5.0)

    assert {slot: report.status for slot, report in log.reports.last.items()} == {2: 0x00, 3: 0x80}
    assert log.reports.taken == 3


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="nothing"),
        pytest.param({"info": []}, id="no members"),
        pytest.param(event(**{"slot-type": "DIMM"}), id="memory"),
        pytest.param(event(slot="4096"), id="slot beyond any machine"),
        pytest.param(event(slot="-1"), id="negative slot"),
        pytest.param(event(slot="9" * 5000), id="endless number"),
        pytest.param(event(slot=2), id="slot that is no text"),
        pytest.param(event(status=True), id="status that is no number"),
        pytest.param(event(source=-1), id="negative source"),
    ],
)
def test_what_is_no_report_of_a_vcpu_is_passed_over(data: object) -> None:
    log = ReportLog()

    assert not log.take(data, 5.0)
    assert not log.reports.last


def test_a_flood_is_dropped_beyond_what_anybody_needs_and_counted() -> None:
    log = ReportLog()
    looked_at = sum(log.has_room(5.0) for _ in range(10_000))

    assert looked_at == AT_ONCE
    assert log.reports.dropped == 10_000 - AT_ONCE


def test_after_a_flood_the_guest_is_heard_again() -> None:
    log = ReportLog()
    for _ in range(10_000):
        log.has_room(5.0)

    assert not log.has_room(5.0 + 0.5 / PER_S)
    assert log.has_room(5.0 + 1.5 / PER_S)
