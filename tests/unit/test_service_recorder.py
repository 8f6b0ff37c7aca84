"""A journal that cannot be written costs the record, never the service, and is said until it is over."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.core.decision import Decision
from autoscaler.core.operation import Operation
from autoscaler.ports import JournalUnavailable
from autoscaler.service.recorder import Recorder
from tests.fakes.examples import DECISION, OPERATION


class MemoryJournal:
    """Keeps its entries in a list; a full disk may be put under it."""

    def __init__(self) -> None:
        self.full = False
        self.entries: list[object] = []

    def decided(self, decision: Decision, *, wall_s: float, digest: str) -> int:
        self._write((decision, wall_s, digest))
        return len(self.entries)

    def begun(self, decision: Decision, operation: Operation, *, wall_s: float) -> None:
        self._write((decision, operation, wall_s))

    def ended(self, operation: Operation) -> None:
        self._write(operation)

    def flush(self) -> None:
        self._write("flush")

    def _write(self, entry: object) -> None:
        if self.full:
            raise JournalUnavailable("the disk is full")
        self.entries.append(entry)


def test_what_can_be_recorded_is_and_has_no_trouble() -> None:
    journal = MemoryJournal()
    recorder = Recorder(journal)
    assert recorder.decided(DECISION, wall_s=1.0, digest="d") == 1
    recorder.begun(DECISION, OPERATION, wall_s=1.0)
    recorder.ended(OPERATION)
    recorder.flush()
    assert len(journal.entries) == 4
    assert recorder.troubles == {}


def test_a_full_disk_raises_nothing_and_is_a_trouble_until_an_entry_succeeds() -> None:
    journal = MemoryJournal()
    recorder = Recorder(journal)
    journal.full = True
    assert recorder.decided(DECISION, wall_s=1.0, digest="d") == 0
    recorder.flush()
    assert recorder.troubles == {"journal": "the disk is full"}
    journal.full = False
    assert recorder.decided(DECISION, wall_s=1.0, digest="d") == 1
    assert recorder.troubles == {}


def test_an_operation_whose_decision_was_not_recorded_is_not_recorded_under_a_wrong_one() -> None:
    journal = MemoryJournal()
    recorder = Recorder(journal)
    unrecorded = replace(OPERATION, decision_id=0)
    recorder.begun(DECISION, unrecorded, wall_s=1.0)
    recorder.ended(unrecorded)
    assert journal.entries == []
