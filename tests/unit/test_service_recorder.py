"""A journal that cannot be written costs the record, never the service, and is said until it is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from autoscaler.core.decision import Decision
from autoscaler.core.model import DomainId
from autoscaler.core.operation import Operation
from autoscaler.core.orders import Order
from autoscaler.errors import JournalUnavailable
from autoscaler.ports import Kept
from autoscaler.service.recorder import Recorder
from tests.fakes.examples import DECISION, DOMAIN, OPERATION


class MemoryJournal:
    """Keeps its entries in a list; a full disk may be put under it."""

    def __init__(self) -> None:
        self.full = False
        self.entries: list[object] = []
        self.collected: dict[DomainId, Kept] = {}

    def decided(self, decision: Decision, *, wall_s: float, digest: str) -> int:
        self._write((decision, wall_s, digest))
        return len(self.entries)

    def ended(self, operation: Operation) -> None:
        self._write(operation)

    def ordered(self, order: Order) -> None:
        self._write(order)

    def order_ended(self, domain: DomainId) -> None:
        self._write(domain)

    def orders(self) -> Sequence[Order]:
        if self.full:
            raise JournalUnavailable("the disk is full")
        return ()

    def keep(
        self,
        domain: DomainId,
        learned: Callable[[], Mapping[str, object]],
        *,
        wall_s: float,
        at_once: bool = False,
    ) -> None:
        self.collected[domain] = Kept(wall_s, learned())
        if at_once:
            self._write(learned())

    def kept(self, domain: DomainId) -> Kept | None:
        if self.full:
            raise JournalUnavailable("the disk is full")
        return self.collected.get(domain)

    def growths_s(self, host: str, most: int) -> Sequence[float]:
        if self.full:
            raise JournalUnavailable("the disk is full")
        return [1.5][:most] if host == DOMAIN.host else []

    def changes(
        self, domain: DomainId, *, now_s: float, wall_s: float, within_s: float
    ) -> Sequence[Operation]:
        if self.full:
            raise JournalUnavailable("the disk is full")
        return [replace(OPERATION, requested_s=now_s - min(within_s, wall_s))] if domain == DOMAIN else []

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
    recorder.ended(OPERATION)
    recorder.flush()
    assert len(journal.entries) == 3
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


def test_what_is_kept_comes_back_and_what_cannot_be_read_is_none_and_a_trouble() -> None:
    journal = MemoryJournal()
    recorder = Recorder(journal)
    recorder.keep(DOMAIN, lambda: {"rho": 0.5}, wall_s=1.0)
    assert recorder.kept(DOMAIN) == Kept(1.0, {"rho": 0.5})
    journal.full = True
    assert recorder.kept(DOMAIN) is None
    assert recorder.troubles == {"journal": "the disk is full"}


def test_what_is_only_collected_or_read_does_not_end_the_journals_trouble() -> None:
    journal = MemoryJournal()
    recorder = Recorder(journal)
    journal.full = True
    recorder.flush()
    journal.full = False
    recorder.keep(DOMAIN, lambda: {"rho": 0.5}, wall_s=1.0)
    recorder.kept(DOMAIN)
    assert recorder.troubles == {"journal": "the disk is full"}
    recorder.flush()
    assert recorder.troubles == {}


def test_the_end_of_an_order_that_was_never_on_record_does_not_end_the_journals_trouble() -> None:
    journal = MemoryJournal()
    recorder = Recorder(journal)
    journal.full = True
    recorder.flush()
    journal.full = False  # to delete nothing writes nothing: it goes on a full disk, too
    assert recorder.order_ended(DOMAIN)
    assert recorder.troubles == {"journal": "the disk is full"}


def test_growths_that_cannot_be_read_are_none() -> None:
    journal = MemoryJournal()
    recorder = Recorder(journal)
    assert recorder.growths_s(DOMAIN.host, 9) == [1.5]
    journal.full = True
    assert list(recorder.growths_s(DOMAIN.host, 9)) == []


def test_changes_that_cannot_be_read_are_none() -> None:
    journal = MemoryJournal()
    recorder = Recorder(journal)
    assert len(recorder.changes(DOMAIN, now_s=5.0, wall_s=9.0, within_s=9.0)) == 1
    journal.full = True
    assert list(recorder.changes(DOMAIN, now_s=5.0, wall_s=9.0, within_s=9.0)) == []
    assert recorder.troubles == {"journal": "the disk is full"}
