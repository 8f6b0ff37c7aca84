"""The tape: values come back as they were, pieces are whole, and a tape that ends harms nobody."""

from __future__ import annotations

import json
import logging
import zlib
from dataclasses import replace
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from autoscaler.core.acpi import SlotReport, SlotReports
from autoscaler.core.deadlines import DeadlineSettings
from autoscaler.core.model import Descriptors, GuestVcpu, GuestVcpus, HostView
from autoscaler.core.operation import Requested
from autoscaler.core.orders import EVERY, Order, OrderKind
from autoscaler.core.owner import Owner
from autoscaler.core.policy import PolicySet, Schedule, TargetStrategy
from autoscaler.errors import AgentLeftAlone, AutoscalerError, JournalUnavailable
from autoscaler.ports import Kept
from autoscaler.service.sampling import Sweep
from autoscaler.service.settings import HostLimits
from autoscaler.service.tape import Tape, entries_of, essence
from autoscaler.service.tape_values import from_plain, to_plain
from tests.fakes.examples import DECISION, OPERATION, POLICY, SAMPLE, VIEW

NIGHT = Schedule(
    name="night",
    days=frozenset({0, 6}),
    from_minute=0,
    to_minute=300,
    timezone=ZoneInfo("Europe/Berlin"),
    max_vcpus=2,
)
RICH_VIEW = replace(
    VIEW,
    labels={"tier": "gold"},
    claimed_by=Owner.NOVA,
    slots=frozenset({0, 3}),
    reports=SlotReports(last={3: SlotReport(source=3, status=0x80, at_s=1.5)}, taken=1),
    descriptors=Descriptors(open=17, limit=1024),
)
ORDER = Order(domain=EVERY, name="", kind=OrderKind.PAUSE, by_uid=0, at_wall_s=1.0)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="nothing"),
        pytest.param(inf, id="endless"),
        pytest.param(SAMPLE, id="sample"),
        pytest.param(Sweep([RICH_VIEW], HostView(at_s=1.0, cpus=2)), id="sweep"),
        pytest.param(GuestVcpus((GuestVcpu(logical_id=0, online=True, can_offline=False),)), id="vcpus"),
        pytest.param(Requested(3), id="requested"),
        pytest.param(PolicySet((replace(POLICY, strategy=TargetStrategy()),)), id="policies"),
        pytest.param([ORDER], id="orders"),
        pytest.param(Kept(1.0, {"levels": [{"gaps": [1, 2]}], "rho": 0.5, "none": None}), id="kept"),
        pytest.param([OPERATION], id="operations"),
        pytest.param({"limits": HostLimits(), "deadlines": DeadlineSettings()}, id="settings"),
    ],
)
def test_a_value_comes_back_from_the_tape_as_it_was(value: object) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(value)))) == value


def test_a_schedule_comes_back_in_its_time_zone() -> None:
    schedule = from_plain(json.loads(json.dumps(to_plain(NIGHT))))
    assert schedule.timezone.key == "Europe/Berlin"
    assert replace(schedule, timezone=NIGHT.timezone) == NIGHT


def test_an_error_comes_back_as_one_of_its_kind_with_its_text() -> None:
    error = from_plain(to_plain(AgentLeftAlone("left alone for 30 s")))
    assert (type(error), str(error)) == (AgentLeftAlone, "left alone for 30 s")


def test_a_value_of_no_known_type_is_refused_on_both_ways() -> None:
    with pytest.raises(TypeError, match="holds no object"):
        to_plain(object())
    with pytest.raises(ValueError, match="does not know"):
        from_plain({"type": "Popen", "is": {"args": "true"}})


def test_a_decision_that_differs_in_anything_is_told_from_the_other() -> None:
    assert essence(DECISION) == essence(replace(DECISION))
    for other in (replace(DECISION, proposed=9), replace(DECISION, held=1), replace(DECISION, order="x")):
        assert essence(other)[-1] != essence(DECISION)[-1]


class Memory:
    """Keeps pieces, or fails as a full disk does."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = [b"of an earlier run"]
        self.full = False

    def begin_tape(self) -> None:
        self.pieces.clear()

    def wind_on(self, packed: bytes) -> None:
        if self.full:
            raise JournalUnavailable("no space left")
        self.pieces.append(packed)

    def entries(self) -> list[list[Any]]:
        return list(entries_of(self.pieces))


def test_a_new_tape_forgets_the_one_before_and_keeps_the_order() -> None:
    memory = Memory()
    tape = Tape(memory, most_bytes=1 << 20)
    for number in range(3):
        tape.put("call", str(number))
    tape.wind()
    tape.put("call", "3")
    tape.wind()
    assert memory.entries() == [["call", str(number)] for number in range(4)]


def test_a_piece_ends_only_where_a_call_is_over() -> None:
    memory = Memory()
    tape = Tape(memory, most_bytes=1 << 24)
    for _ in range(100):
        tape.put("call", "x" * 5000)
    assert memory.pieces == []
    tape.call_over()
    assert len(memory.entries()) == 100


def test_what_happens_while_it_is_paused_is_left_out() -> None:
    memory = Memory()
    tape = Tape(memory, most_bytes=1 << 20)
    tape.paused = True
    tape.put("wall", 1.0)
    tape.paused = False
    tape.put("wall", 2.0)
    tape.wind()
    assert memory.entries() == [["wall", 2.0]]


@pytest.mark.parametrize("full", [True, False], ids=["the disk is full", "its size is reached"])
def test_a_tape_that_cannot_go_on_says_so_once_and_ends(
    *, full: bool, caplog: pytest.LogCaptureFixture
) -> None:
    memory = Memory()
    tape = Tape(memory, most_bytes=1 << 20 if full else 50)
    tape.put("call", "1")
    tape.wind()
    memory.full = full
    for number in range(3):
        tape.put("call", f"{number} of many that are not alike: {AutoscalerError(str(number))!r}" * 2)
        tape.wind()
    memory.full = False
    tape.put("call", "9")
    tape.wind()
    assert memory.entries() == [["call", "1"]]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert ("no space left" if full else "tape_mib") in caplog.text


def test_a_damaged_piece_is_told_of() -> None:
    with pytest.raises(ValueError, match="the tape is damaged"):
        list(entries_of([b"nonsense"]))


@pytest.mark.parametrize(
    "line", ["{}", "[]", "3", "no JSON", "[" * 100_000, '["mono"]', '["mono", "noon"]', '["rewind", 1]']
)
def test_an_entry_that_is_none_is_told_of(line: str) -> None:
    with pytest.raises(ValueError, match="the tape is damaged"):
        list(entries_of([zlib.compress(line.encode())]))


@pytest.mark.parametrize(
    "plain",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"bag": [1]}, id="unknown kind"),
        pytest.param({"type": "DomainId", "is": {"host": "h"}}, id="field missing"),
        pytest.param({"type": "DomainId", "is": 3}, id="no fields"),
        pytest.param({"type": "DomainId", "was": {}}, id="no content"),
        pytest.param({"type": ["DomainId"], "is": {}}, id="name of no type"),
        pytest.param({"enum": "Reason", "is": "whim"}, id="no member"),
        pytest.param({"zone": "Europe/Atlantis"}, id="no zone"),
        pytest.param({"zone": 3}, id="zone of no name"),
        pytest.param({"map": [1]}, id="no pairs"),
        pytest.param({"map": [[{"list": []}, 1]]}, id="key that is none"),
        pytest.param({"set": [{"list": []}]}, id="member that can be none"),
    ],
)
def test_a_damaged_value_is_told_of(plain: object) -> None:
    with pytest.raises(ValueError, match="the tape holds a damaged value"):
        from_plain(plain)
