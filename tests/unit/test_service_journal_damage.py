"""The journal after bits, bytes and pages of its files were changed: whole, or refused in a sentence."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from autoscaler.core.learned import DAY_S
from autoscaler.core.model import DomainId
from autoscaler.core.operation import Outcome
from autoscaler.core.orders import EVERY, Order, OrderKind
from autoscaler.errors import JournalUnavailable
from autoscaler.service import journal_damage
from autoscaler.service.journal import SqliteJournal
from autoscaler.service.journal_reader import decision_at, events, moves, moves_after
from tests.fakes.examples import DOMAIN, GROWTH, OPERATION

NOW_S = 1.7e9
PAUSE = Order(domain=EVERY, name="", kind=OrderKind.PAUSE, by_uid=0, at_wall_s=NOW_S)
HELD = replace(PAUSE, domain=DOMAIN, name="web-1", kind=OrderKind.SET, vcpus=4, until_wall_s=NOW_S + 3600.0)
PAGE_BYTES = 4096
FRAME_BYTES = 24 + PAGE_BYTES
LOG_HEADER_BYTES = 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    with closing(SqliteJournal(path)) as journal:
        yield journal


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def as_killed(path: Path, name: str = "killed") -> Path:
    """What is there of a journal if its service is killed now."""
    folder = path.parent / name
    folder.mkdir()
    for file in (path, log_of(path)):
        shutil.copy(file, folder)
    return folder / path.name


def begin(journal: SqliteJournal, target: int) -> None:
    journal.decided(replace(GROWTH, target=target), wall_s=NOW_S + target, digest="d")


def flip(file: Path, at: int, bit: int = 0) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1 << bit
    file.write_bytes(content)


def orders_after_a_start(path: Path) -> list[Order]:
    with closing(SqliteJournal(path)) as journal:
        return journal.orders()


def test_a_pause_outlives_a_kill_and_the_damage_of_all_that_sqlite_had_only_logged(
    journal: SqliteJournal, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal.ordered(PAUSE)
    begin(journal, 1)
    begin(journal, 2)
    killed = as_killed(path)
    flip(log_of(killed), LOG_HEADER_BYTES + 100)
    assert orders_after_a_start(killed) == [PAUSE]
    (said,) = caplog.messages
    assert f"the log {killed}-wal is damaged" in said
    assert "see by `autoscaler status` whether it stands" in said


def test_an_order_that_was_withdrawn_stays_so_without_what_sqlite_had_only_logged(
    journal: SqliteJournal, path: Path
) -> None:
    journal.ordered(PAUSE)
    journal.order_ended(EVERY)
    killed = as_killed(path)
    log_of(killed).unlink()
    assert orders_after_a_start(killed) == []


def test_an_order_that_a_reader_kept_in_the_log_is_in_the_file_with_the_next_flush(
    journal: SqliteJournal, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM decisions").fetchall()
        journal.ordered(PAUSE)
    journal.flush()
    killed = as_killed(path)
    log_of(killed).unlink()
    assert orders_after_a_start(killed) == [PAUSE]


def test_a_reader_in_the_way_of_many_orders_is_waited_for_once(journal: SqliteJournal, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM decisions").fetchall()
        began_s = time.monotonic()
        for number in range(60):
            journal.ordered(replace(HELD, domain=DomainId(DOMAIN.host, f"u-{number}")))
        assert time.monotonic() - began_s < 10.0
    assert len(journal.orders()) == 60


def test_what_a_start_found_in_the_log_is_in_the_file_after_it(journal: SqliteJournal, path: Path) -> None:
    begin(journal, 1)
    killed = as_killed(path)
    with closing(SqliteJournal(killed)) as later:
        again = as_killed(killed)
        log_of(again).unlink()
        with closing(sqlite3.connect(again)) as db:
            assert db.execute("SELECT target FROM decisions").fetchall() == [(1,)]
        assert later.orders() == []


@pytest.mark.parametrize("at", range(0, LOG_HEADER_BYTES, 4))
def test_a_damaged_head_of_the_log_is_told_too(
    journal: SqliteJournal, path: Path, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    begin(journal, 1)
    killed = as_killed(path)
    flip(log_of(killed), at + 1)
    SqliteJournal(killed).close()
    assert [f"the log {killed}-wal is damaged" in said for said in caplog.messages] == [True]


def test_what_a_kill_left_of_an_entry_is_no_damage(
    journal: SqliteJournal, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begin(journal, 1)
    before = log_of(path).stat().st_size
    begin(journal, 2)
    for number, cut in enumerate(range(before, log_of(path).stat().st_size, FRAME_BYTES // 2)):
        killed = as_killed(path, f"killed-{number}")
        with log_of(killed).open("r+b") as log:
            log.truncate(cut)
        SqliteJournal(killed).close()
    assert caplog.messages == []


def test_what_is_left_of_a_log_before_is_no_damage(
    journal: SqliteJournal, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(9):
        begin(journal, number)
    long = log_of(path).stat().st_size
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0] == 0
    begin(journal, 10)
    assert log_of(path).stat().st_size == long
    SqliteJournal(as_killed(path)).close()
    assert caplog.messages == []


@pytest.mark.parametrize(
    "damage",
    [
        "until_wall_s = 1e47",
        "until_wall_s = 9e999",
        "until_wall_s = -1e300",
        "until_wall_s = at_wall_s",
        "at_wall_s = -9e999",
        "at_wall_s = -1.0",
        "vcpus = NULL",
        "vcpus = 0",
        "vcpus = -4",
        "kind = 'pause'",
        "kind = 'paus'",
        "by_uid = -1",
        "by_uid = 4294967296",
        "host = ''",
        "uuid = ''",
        "host = '', uuid = ''",
        "domain = ''",
        "domain = CAST(x'77e9' AS TEXT)",
    ],
)
def test_an_order_that_nobody_can_have_given_is_damage(
    journal: SqliteJournal, path: Path, damage: str
) -> None:
    journal.ordered(HELD)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE orders SET {damage}")
    with pytest.raises(JournalUnavailable, match=r"^the (orders in the )?journal .*move the file away"):
        journal.orders()


READERS: dict[str, Callable[[Path], object]] = {
    "events": events,
    "the decision of a moment": lambda path: decision_at(path, domain=GROWTH.name, at_wall_s=None),
    "moves after one": lambda path: moves_after(path, after=0, besides=(1,), limit=9),
    "the moves of a domain": lambda path: moves(
        path, host=DOMAIN.host, uuid=DOMAIN.uuid, from_wall_s=0.0, to_wall_s=2 * NOW_S, limit=9
    ),
}
READ_BY_ALL = ("operations SET stages = '{\"online\": '", "operations SET stages = '[1.0]'")
READ_WITH_DECISIONS = (
    "decisions SET inputs = '{\"lower\": '",
    "decisions SET inputs = '[]'",
    "decisions SET inputs = 7",
    f"decisions SET inputs = '{'[' * 200_000}'",
    "decisions SET newest_inputs = 'gone'",
)


@pytest.mark.parametrize(
    ("reader", "damage"),
    [
        *product(READERS, READ_BY_ALL),
        *product([reader for reader in READERS if reader != "the moves of a domain"], READ_WITH_DECISIONS),
    ],
    ids=lambda text: text[:45],
)
def test_a_damaged_row_is_told_as_damage_to_whoever_reads_it(
    journal: SqliteJournal, path: Path, reader: str, damage: str
) -> None:
    begin(journal, 4)
    READERS[reader](path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE {damage}")
    with pytest.raises(JournalUnavailable, match=r"^the journal .* is damaged .*: move the file away"):
        READERS[reader](path)


def test_a_name_in_the_schema_that_is_not_utf_8_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    SqliteJournal(path).close()
    path.write_bytes(path.read_bytes().replace(b"tableorders", b"table\xe9rders"))
    with pytest.raises(JournalUnavailable, match=r"damaged .*move the file away"):
        SqliteJournal(path)


def test_pages_that_were_swapped_are_damage_at_the_start(path: Path) -> None:
    with closing(SqliteJournal(path)) as journal:
        begin(journal, 1)
    with closing(sqlite3.connect(path)) as db:
        places = dict(db.execute("SELECT name, rootpage FROM sqlite_schema"))
    content = path.read_bytes()
    pages = [content[start : start + PAGE_BYTES] for start in range(0, len(content), PAGE_BYTES)]
    one, other = places["decisions"] - 1, places["operations"] - 1
    pages[one], pages[other] = pages[other], pages[one]
    path.write_bytes(b"".join(pages))
    with pytest.raises(JournalUnavailable, match=r"damaged .*move the file away"):
        SqliteJournal(path)


def mangled(whole: bytes, chance: random.Random) -> bytes:
    """A journal of which bits, a byte or whole pages were changed, or that was cut off."""
    content = bytearray(whole)
    used = [place for place, byte in enumerate(whole) if byte]
    starts = range(0, len(whole), PAGE_BYTES)
    match chance.randrange(5):
        case 0:
            for place in chance.choices(used, k=chance.choice((1, 1, 4))):
                content[place] ^= 1 << chance.randrange(8)
        case 1:
            content[chance.choice(used)] = chance.randrange(256)
        case 2:
            one, other = (slice(at, at + PAGE_BYTES) for at in chance.sample(starts, 2))
            content[one], content[other] = content[other], content[one]
        case 3:
            at = chance.choice(starts)
            content[at : at + PAGE_BYTES] = bytes(PAGE_BYTES)
        case _:
            del content[chance.randrange(1, len(whole)) :]
    return bytes(content)


def whole_start(path: Path) -> list[Order]:
    """Read all that a start of the service reads; returns the orders."""
    with closing(SqliteJournal(path)) as journal:
        orders = journal.orders()
        journal.kept(DOMAIN)
        journal.growths_s(DOMAIN.host, 9)
        journal.changes(DOMAIN, now_s=0.0, wall_s=NOW_S, within_s=DAY_S)
        return orders


@pytest.mark.parametrize("small", [True, False])
def test_a_start_on_a_damaged_journal_has_its_orders_or_says_in_a_line_that_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, small: bool
) -> None:
    if not small:
        monkeypatch.setattr(journal_damage, "_QUICK_BYTES", 0)
    path = tmp_path / "journal.sqlite"
    with closing(SqliteJournal(path)) as journal:
        for number in range(8):
            row = journal.decided(replace(GROWTH, target=number), wall_s=NOW_S, digest="d")
            journal.ended(replace(OPERATION, decision_id=row, outcome=Outcome.DONE))
        journal.keep(DOMAIN, lambda: {"rho": 1.0}, wall_s=NOW_S)
        for order in (PAUSE, HELD):
            journal.ordered(order)
    whole = path.read_bytes()
    chance = random.Random(1)
    said = []
    for number in range(200):
        path.write_bytes(mangled(whole, chance))
        try:
            orders = whole_start(path)
        except JournalUnavailable as error:
            said.append(str(error))
            continue
        # What may differ is one figure or name within an order: SQLite has no checksums in the file.
        kinds = {order.domain: order.kind for order in orders if order.sentence}
        assert kinds == {EVERY: OrderKind.PAUSE, DOMAIN: OrderKind.SET}, number
        assert [order.until_wall_s for order in orders if order.domain == EVERY] == [None], number
    assert [sentence for sentence in said if not sentence.isprintable()] == []
    assert [sentence for sentence in said if "move the file away" not in sentence] == []
    assert 60 < len(said) < 180
