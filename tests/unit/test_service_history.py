"""The history: what domains wanted and had, step by step, on the disk and as traces."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from math import inf, isnan, nan
from pathlib import Path

import numpy as np
import pytest

from autoscaler.core.decision import Decision
from autoscaler.core.model import DomainId
from autoscaler.service.history import BLOCK_S, STEPS, Block, History, block_of
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.journal_reader import history_of
from autoscaler.service.journal_traces import journal_traces
from tests.fakes.examples import DECISION, DOMAIN, LOAD, MISSING

START_S = 3_000_000 * BLOCK_S
SEEN = replace(DECISION, online=2, plugged=3, upper=4, load=replace(LOAD, span_s=5.0, demand_vcpus=1.5))


def blocks(history: History) -> list[Block]:
    history.end(inf)
    return [block_of(row) for row in history.whole]


def test_a_step_holds_the_mean_of_what_was_measured_in_it() -> None:
    history = History()
    for second, demand in ((5, 1.0), (10, 2.0), (15, 0.5)):
        load = replace(LOAD, span_s=5.0, demand_vcpus=demand, busy_vcpus=0.5, steal_vcpus=0.25)
        history.note(replace(SEEN, load=load), START_S + second)
    (block,) = blocks(history)
    assert (block.start_wall_s, block.domain, block.uuid) == (START_S, "web-1", DOMAIN.uuid)
    assert block.demand_vcpus[:2] == (1.5, 0.5)
    assert block.busy_vcpus[:2] == (0.5, 0.5)
    assert block.steal_vcpus[:2] == (0.25, 0.25)
    assert all(isnan(demand) for demand in block.demand_vcpus[2:])
    assert block.longest_s == 5.0


def test_a_measurement_longer_than_a_step_stands_for_every_step_that_it_spans() -> None:
    history = History()
    history.note(replace(SEEN, load=replace(LOAD, span_s=30.0, demand_vcpus=0.5)), START_S + 30)
    assert blocks(history)[0].demand_vcpus[:4] == pytest.approx((0.5, 0.5, 0.5, nan), nan_ok=True)


def test_a_measurement_over_the_end_of_a_block_is_shared_between_the_two() -> None:
    history = History()
    history.note(SEEN, START_S + BLOCK_S - 5)
    history.note(SEEN, START_S + BLOCK_S + 5)
    first, second = blocks(history)
    assert (first.demand_vcpus[-1], second.demand_vcpus[0]) == (1.5, 1.5)
    assert second.start_wall_s == START_S + BLOCK_S


def test_a_missing_sample_leaves_a_gap_and_the_vcpus_are_still_noted() -> None:
    history = History()
    history.note(replace(SEEN, load=None, missing=MISSING), START_S + 12)
    (block,) = blocks(history)
    assert all(isnan(demand) for demand in block.demand_vcpus)
    assert (block.online[1], block.plugged[1], block.upper[1]) == (2, 3, 4)
    assert (block.online[0], block.longest_s) == (0, 0.0)


def test_a_block_that_is_damaged_says_so() -> None:
    history = History()
    history.note(SEEN, START_S)
    history.end(inf)
    *rest, packed = history.whole[0]
    with pytest.raises(ValueError, match="damaged"):
        block_of((*rest, packed[: len(packed) // 2]))  # type: ignore[arg-type]
    nonsense = zlib.compress(b"\xff" * len(zlib.decompress(packed)))
    with pytest.raises(ValueError, match="damaged"):
        block_of((*rest, nonsense))  # type: ignore[arg-type]


def test_blocks_that_wait_for_a_disk_are_bounded() -> None:
    history = History()
    for number in range(20_100):
        history.note(SEEN, START_S + number * BLOCK_S)
    assert len(blocks(history)) == 20_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(path, history_s=2 * 86400.0)
    yield journal
    journal.close()


def decided(journal: SqliteJournal, decision: Decision, wall_s: float) -> None:
    journal.decided(decision, wall_s=wall_s, digest="d")


def starts(path: Path) -> list[float]:
    return [row[3] for row in history_of(path, from_wall_s=0.0, to_wall_s=inf)]


def test_a_block_reaches_the_disk_once_it_is_over(journal: SqliteJournal, path: Path) -> None:
    decided(journal, SEEN, START_S + 5)
    journal.flush()
    assert starts(path) == []
    decided(journal, SEEN, START_S + BLOCK_S + 15)
    journal.flush()
    assert starts(path) == [START_S]


def test_what_is_older_than_the_history_goes_back_is_forgotten(journal: SqliteJournal, path: Path) -> None:
    decided(journal, SEEN, START_S + 5)
    decided(journal, SEEN, START_S + 3 * 86400.0)
    journal.flush()
    journal.flush()
    assert START_S not in starts(path)


def test_the_blocks_become_a_trace_with_gaps_where_the_service_was_away(path: Path) -> None:
    for away_s in (0.0, 2 * BLOCK_S + 100.0):
        journal = SqliteJournal(path)
        for second in range(5, 101, 5):
            decided(journal, SEEN, START_S + away_s + second)
        journal.close()
    (trace,) = journal_traces(path, step_s=20.0)
    assert (trace.domain, trace.start_s, trace.step_s, trace.maximum) == ("web-1", START_S, 20.0, 4)
    assert len(trace.demand_vcpus) == 3 * STEPS // 2
    assert list(np.flatnonzero(~np.isnan(trace.demand_vcpus))) == [*range(5), *range(65, 70)]
    assert not trace.interpolated


def test_two_runs_within_a_block_make_one_trace(path: Path) -> None:
    for second in (10, 50):
        journal = SqliteJournal(path)
        decided(journal, replace(SEEN, load=replace(LOAD, span_s=10.0, demand_vcpus=0.5)), START_S + second)
        journal.close()
    (trace,) = journal_traces(path, step_s=10.0)
    assert list(np.flatnonzero(~np.isnan(trace.demand_vcpus))) == [0, 4]


def test_domains_of_one_name_are_told_apart(path: Path) -> None:
    journal = SqliteJournal(path)
    decided(journal, SEEN, START_S + 5)
    decided(journal, replace(SEEN, domain=DomainId("qemu:///system", "another")), START_S + 5)
    journal.close()
    assert [trace.domain for trace in journal_traces(path, step_s=10.0)] == [
        f"web-1#{DOMAIN.uuid}",
        "web-1#another",
    ]


def test_a_service_that_looks_seldom_makes_traces_that_say_so(path: Path) -> None:
    journal = SqliteJournal(path)
    decided(journal, replace(SEEN, load=replace(LOAD, span_s=60.0)), START_S + 60)
    journal.close()
    (trace,) = journal_traces(path, step_s=10.0)
    assert (trace.recorded_s, trace.interpolated) == (60.0, True)


def test_a_step_that_the_history_does_not_have_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="multiple"):
        journal_traces(path, step_s=15.0)
