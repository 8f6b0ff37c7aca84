"""What is said of an audit log that is not as it was written: what, where, and once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from autoscaler.service.audit_chain import NOTHING, Head, line_of, read_line
from autoscaler.service.audit_verify import Fault, Verdict, verified


def log(count: int, *, after: Head = NOTHING) -> list[bytes]:
    lines, head = [], after
    for number in range(count):
        line, head = line_of({"what": "began", "decision_id": number}, head)
        lines.append(line)
    return lines


def look(lines: list[bytes], **heads: Head) -> Verdict:
    places = [(line, f"1.jsonl:{number}") for number, line in enumerate(lines, 1)]
    return verified(places, heads)


def edited(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b'"decision_id":2', b'"decision_id":7'), *lines[3:]]


@pytest.mark.parametrize(
    ("change", "fault", "place", "sentence"),
    [
        pytest.param(edited, Fault.EDITED, "1.jsonl:3", "line 3 was edited", id="edited"),
        pytest.param(
            lambda lines: [*lines[:2], b"\xff\n", *lines[2:]],
            Fault.EDITED,
            "1.jsonl:3",
            "no line of the log",
            id="inserted",
        ),
        pytest.param(
            lambda lines: [*lines[:2], *lines[3:]],
            Fault.MISSING,
            "1.jsonl:3",
            "line 3 is missing",
            id="dropped",
        ),
        pytest.param(
            lambda lines: [*lines[:1], *lines[4:]],
            Fault.MISSING,
            "1.jsonl:2",
            "lines 2 to 4 are missing",
            id="dropped, several",
        ),
        pytest.param(
            lambda lines: [*lines[:3], lines[1]],
            Fault.MOVED,
            "1.jsonl:4",
            "line 2 stands after line 3",
            id="moved",
        ),
        pytest.param(
            lambda lines: [*log(1, after=Head(0, "a" * 64)), lines[0]],
            Fault.REWRITTEN,
            "1.jsonl:1",
            "is to follow none",
            id="another beginning",
        ),
        pytest.param(
            lambda lines: lines[2:], Fault.MISSING, "", "lines 1 to 2 are missing", id="without its beginning"
        ),
    ],
)
def test_each_kind_of_fault_has_its_name_its_place_and_its_line(
    change: Callable[[list[bytes]], list[bytes]], fault: Fault, place: str, sentence: str
) -> None:
    finding, *_ = look(change(log(6))).findings
    assert (finding.fault, finding.place) == (fault, place)
    assert sentence in finding.sentence


def test_one_edit_is_one_finding() -> None:
    assert len(look(edited(log(6))).findings) == 1


def test_an_end_that_was_cut_shows_by_a_line_that_somebody_saw() -> None:
    lines = log(6)
    head = look(lines).head
    assert look(lines[:4]).findings == ()
    (finding,) = look(lines[:4], journal=head).findings
    assert finding.fault is Fault.CUT
    assert finding.sentence == "journal saw line 6, and the log ends at line 4"


def test_a_line_that_was_seen_and_is_older_than_what_is_kept_is_a_note() -> None:
    lines = log(6)
    dropped, _ = line_of({"what": "dropped", "up_to_seq": 2, "up_to_hash": _hash(lines[1])}, look(lines).head)
    verdict = look([*lines[2:], dropped], journal=Head(1, "a" * 64))
    assert verdict.findings == ()
    assert verdict.notes == (
        "the chain begins at line 3: older ones were forgotten",
        "line 1, which journal saw, is older than what is kept",
    )


def test_a_beginning_that_does_not_follow_what_was_forgotten_was_written_anew() -> None:
    lines = log(6)
    dropped, _ = line_of({"what": "dropped", "up_to_seq": 2, "up_to_hash": "b" * 64}, look(lines).head)
    (finding,) = look([*lines[2:], dropped]).findings
    assert finding.fault is Fault.REWRITTEN


def _hash(line: bytes) -> str:
    entry = read_line(line)
    assert entry is not None
    return str(entry["hash"])


def test_a_forged_mark_of_a_cut_write_hides_no_line() -> None:
    lines = log(3)
    mark, _ = line_of({"what": "torn", "bytes": 3, "sha256": "0" * 64}, look(lines).head)
    faults = [finding.fault for finding in look([*lines, b"{}\n", mark]).findings]
    assert faults == [Fault.EDITED]


def test_endless_junk_costs_bounded_memory_and_is_told_of_up_to_a_bound() -> None:
    assert len(look([*log(2), *(b"junk\n" for _ in range(5000))]).findings) == 1000


def test_nothing_is_nothing() -> None:
    verdict = look([])
    assert (verdict.first, verdict.head, verdict.findings) == (None, NOTHING, ())


@pytest.mark.parametrize("text", ["", "1", "1:", "x:" + "a" * 64, "1:" + "g" * 64, "-1:" + "a" * 64])
def test_what_names_no_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="SEQ:HASH"):
        Head.parse(text)


def test_a_line_is_named_as_it_is_printed() -> None:
    head = look(log(2)).head
    assert Head.parse(str(head)) == head
