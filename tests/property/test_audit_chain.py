"""Whatever is done to one place of an audit log is found, whoever did it, and nothing else is reported."""

from __future__ import annotations

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from autoscaler.service.audit_chain import NOTHING, Head, line_of, read_line, stated
from autoscaler.service.audit_verify import Fault, Verdict, verified

_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
_ENTRIES = st.dictionaries(st.text(max_size=8), st.one_of(_VALUES, st.lists(_VALUES, max_size=3)), max_size=4)


@st.composite
def logs(draw: st.DrawFn, *, least: int = 2) -> list[bytes]:
    """The lines of a log, whatever they say."""
    head, lines = NOTHING, []
    for entry in draw(st.lists(_ENTRIES, min_size=least, max_size=6)):
        line, head = line_of({"what": "said", "says": entry}, head)
        lines.append(line)
    return lines


def look(content: bytes, *heads: Head) -> Verdict:
    lines = [(line, "") for line in content.splitlines(keepends=True)]
    return verified(lines, {f"somebody {number}": head for number, head in enumerate(heads)})


def head_of(line: bytes) -> Head:
    entry = read_line(line)
    head = None if entry is None else stated(entry)
    assert head is not None
    return head


@given(logs(least=0), st.data())
def test_a_log_as_it_was_written_is_whole(lines: list[bytes], data: st.DataObject) -> None:
    seen = [head_of(data.draw(st.sampled_from(lines)))] if lines else []
    verdict = look(b"".join(lines), *seen)
    assert (verdict.findings, verdict.notes, verdict.lines) == ((), (), len(lines))


@given(logs(), st.data())
def test_any_byte_that_is_another_is_found(lines: list[bytes], data: st.DataObject) -> None:
    content = bytearray(b"".join(lines))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
    assert look(bytes(content), head_of(lines[-1])).findings


@given(logs(), st.data())
def test_a_line_that_says_the_same_in_other_bytes_is_found(lines: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    entry = json.loads(lines[at])
    forms = {
        "with spaces": json.dumps(entry, sort_keys=True).encode() + b"\n",
        "in another order": json.dumps(dict(reversed(entry.items())), separators=(",", ":")).encode() + b"\n",
        "with a key twice": lines[at].replace(b"{", b'{"seq":0,', 1),
        "with an escape": lines[at].replace(b'"said"', b'"s\\u0061id"', 1),
        "with another end": lines[at].replace(b"\n", b"\r\n"),
    }
    lines[at] = data.draw(st.sampled_from(sorted(forms.items())))[1]
    assert json.loads(lines[at]) == entry
    assert {finding.fault for finding in look(b"".join(lines)).findings} >= {Fault.EDITED}


@given(logs(), st.data())
def test_any_bytes_that_are_put_in_or_taken_out_are_found(lines: list[bytes], data: st.DataObject) -> None:
    content = b"".join(lines)
    first = data.draw(st.integers(0, len(content)))
    last = data.draw(st.integers(first, min(len(content), first + 3)))
    put_in = data.draw(st.binary(max_size=3))
    changed = content[:first] + put_in + content[last:]
    assume(changed != content)
    assert look(changed, head_of(lines[-1])).findings or _only_the_tail_is_cut_short(content, changed)


def _only_the_tail_is_cut_short(content: bytes, changed: bytes) -> bool:
    """A write that is under way, or was cut short, behind a log that is whole: a start marks it."""
    return changed.startswith(content) and b"\n" not in changed[len(content) :]


@given(logs(), st.data())
def test_any_line_that_is_dropped_is_found(lines: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    found = look(b"".join(lines[:at] + lines[at + 1 :]), head_of(lines[-1])).findings
    assert {finding.fault for finding in found} == {Fault.CUT if at == len(lines) - 1 else Fault.MISSING}


@given(logs(), st.data())
def test_any_two_lines_that_change_places_are_found(lines: list[bytes], data: st.DataObject) -> None:
    first, second = sorted(data.draw(st.sets(st.integers(0, len(lines) - 1), min_size=2, max_size=2)))
    lines[first], lines[second] = lines[second], lines[first]
    assert look(b"".join(lines)).findings


@given(logs(), st.data())
def test_any_line_that_stands_there_twice_is_found(lines: list[bytes], data: st.DataObject) -> None:
    at, to = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    lines.insert(to, lines[at])
    assert look(b"".join(lines)).findings


@given(logs(), _ENTRIES, st.data())
def test_a_line_that_is_edited_and_given_the_hash_of_what_it_says_now_is_found_by_the_line_after_it(
    lines: list[bytes], entry: dict[str, object], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(lines) - 2))
    before = NOTHING if at == 0 else head_of(lines[at - 1])
    lines[at], _ = line_of({"what": "said", "says": entry | {"is": "forged"}}, before)
    assert [finding.fault for finding in look(b"".join(lines)).findings] == [Fault.REWRITTEN]


@given(logs(), _ENTRIES, st.data())
def test_a_log_that_was_written_anew_from_a_line_on_is_found_by_a_later_line_that_was_seen(
    lines: list[bytes], entry: dict[str, object], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    seen, head = head_of(lines[-1]), NOTHING if at == 0 else head_of(lines[at - 1])
    anew = lines[:at]
    for says in (entry | {"is": "forged"}, *({"is": "forged"} for _ in lines[at + 1 :])):
        line, head = line_of({"what": "said", "says": says}, head)
        anew.append(line)
    assert not look(b"".join(anew)).findings  # this much the chain alone cannot tell
    assert {finding.fault for finding in look(b"".join(anew), seen).findings} == {Fault.REWRITTEN}


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_a_line(junk: bytes) -> None:
    assert read_line(junk + b"\n") is None
    look(junk)
