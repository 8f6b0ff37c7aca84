"""Whether an audit log is whole: takes its lines in their order and tells what is wrong; touches no file.

What it proves: that no line was edited, dropped, added or moved by somebody who did not also write all later
lines anew. That the end is there, and that nothing was written anew, shows by the heads that were kept
elsewhere: each is a line that somebody saw.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from autoscaler.service.audit_chain import NOTHING, Head, parsed, read_line, stated, torn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autoscaler.service.audit_chain import Entry

_MOST_JUNK = 64
"""More lines than that in a row are no write that was cut short."""
_MOST_FINDINGS = 1000
"""More of them tell nothing new."""


class Fault(StrEnum):
    """What may be wrong with a log."""

    EDITED = "edited"
    """A line is not what its hash says, or is none."""
    MISSING = "missing"
    """There are lines before and after, and one between is not there."""
    MOVED = "moved"
    """A line stands where another belongs."""
    REWRITTEN = "rewritten"
    """A line is another than somebody saw, or than the next line follows."""
    CUT = "cut"
    """The end is not there, or was not when the service started."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    fault: Fault
    place: str
    """File and line, empty: it is about the whole."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of looking through a log."""

    lines: int
    first: int | None
    """Number of the first line that is there; None: there is none."""
    head: Head
    """The last line."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    """What is to be known and is not wrong."""


@dataclass(slots=True)
class Verification:
    """Is given every line in its order, then asked for the verdict."""

    heads: Mapping[str, Head] = field(default_factory=dict)
    """Lines that somebody saw, by who did."""
    _first: Head | None = None
    """The line before the first one that is there."""
    _last: Head = NOTHING
    _lines: int = 0
    _junk: list[tuple[bytes, str]] = field(default_factory=list)
    """What is no line since the last one, with its place."""
    _dropped: Head | None = None
    """The last line of those that the service forgot."""
    _seen: dict[int, str] = field(default_factory=dict)
    """The hashes of the lines that somebody saw."""
    _findings: list[Finding] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)

    def take(self, line: bytes, place: str) -> None:
        """Look at the next line, with the newline that ends it."""
        entry = read_line(line)
        if entry is None:
            self._junk.append((line, place))
            if len(self._junk) > _MOST_JUNK:
                self._settle_junk(None, "")
            return
        self._settle_junk(entry, place)
        self._follow(entry, place)

    def verdict(self) -> Verdict:
        """What is wrong, once the last line was taken."""
        if self._junk and not self._junk[-1][0].endswith(b"\n"):
            self._junk.pop()
            self._notes.append("the last write is cut short: the next start of the service marks it")
        self._settle_junk(None, "")
        self._look_at_the_start()
        for who, head in self.heads.items():
            self._look_at(who, head)
        first = None if self._first is None else self._first.seq + 1
        return Verdict(
            lines=self._lines,
            first=first,
            head=self._last,
            findings=tuple(self._findings),
            notes=tuple(self._notes),
        )

    def _settle_junk(self, entry: Entry | None, place: str) -> None:
        """Judge what stood between two lines: a write that was cut short, and marked as that, or an edit."""
        junk, self._junk = self._junk, []
        mark = torn(b"".join(line for line, _ in junk))
        is_marked = entry is not None and all(entry.get(key) == value for key, value in mark.items())
        if entry is not None and entry.get("what") == "torn" and not is_marked:
            self._wrong(Fault.EDITED, place, "the marked end of a write is not what was marked")
        elif is_marked and junk:
            self._notes.append(f"a write was cut short before line {self._last.seq + 1}, and marked")
        else:
            for line, where in junk:
                self._judge_edited(line, where)

    def _judge_edited(self, line: bytes, place: str) -> None:
        """Tell of a line that is none, and go on as if it were the one that it gives itself out for."""
        entry = parsed(line)
        head = None if entry is None else stated(entry)
        if head is None:
            self._wrong(Fault.EDITED, place, "this is no line of the log")
            return
        self._wrong(Fault.EDITED, place, f"line {head.seq} was edited: it does not have its hash")
        if self._first is not None and head.seq == self._last.seq + 1:
            self._last = head

    def _follow(self, entry: Entry, place: str) -> None:
        """Look whether a line follows the one before."""
        head, prev = stated(entry), str(entry["prev"])
        assert head is not None
        due = self._last.seq + 1
        if self._first is None:
            self._first = Head(head.seq - 1, prev)
            if head.seq == 1 and prev != NOTHING.hash:
                self._wrong(Fault.REWRITTEN, place, "line 1 follows another line, and is to follow none")
        elif head.seq > due:
            gap = f"line {due} is" if head.seq == due + 1 else f"lines {due} to {head.seq - 1} are"
            self._wrong(Fault.MISSING, place, f"{gap} missing")
        elif head.seq < due:
            self._wrong(Fault.MOVED, place, f"line {head.seq} stands after line {self._last.seq}")
        elif prev != self._last.hash:
            self._wrong(Fault.REWRITTEN, place, f"line {head.seq} does not follow the line before it")
        self._lines += 1
        self._last = head
        if any(head.seq == seen.seq for seen in self.heads.values()):
            self._seen[head.seq] = head.hash
        self._note(entry, place)

    def _note(self, entry: Entry, place: str) -> None:
        """Take in what a line says of the log itself."""
        what, seq, digest = entry.get("what"), entry.get("up_to_seq"), entry.get("up_to_hash")
        if what == "dropped" and isinstance(seq, int) and isinstance(digest, str):
            self._dropped = Head(seq, digest)
        if what == "lost":
            self._wrong(Fault.CUT, place, f"here the service found: {entry.get('why')}")

    def _look_at_the_start(self) -> None:
        if self._first is None or self._first.seq == 0:
            return
        dropped = self._dropped or NOTHING
        if self._first.seq > dropped.seq:
            sentence = (
                f"lines {dropped.seq + 1} to {self._first.seq} are missing, and were not forgotten by age"
            )
            self._wrong(Fault.MISSING, "", sentence)
        elif self._first == dropped or self._first.seq < dropped.seq:
            self._notes.append(f"the chain begins at line {self._first.seq + 1}: older ones were forgotten")
        else:
            self._wrong(Fault.REWRITTEN, "", f"line {self._first.seq + 1} does not follow what was forgotten")

    def _look_at(self, who: str, seen: Head) -> None:
        """Hold a line that somebody saw against the log."""
        found = self._seen.get(seen.seq)
        if seen.seq > self._last.seq:
            sentence = f"{who} saw line {seen.seq}, and the log ends at line {self._last.seq}"
            self._wrong(Fault.CUT, "", sentence)
        elif found is not None and found != seen.hash:
            self._wrong(Fault.REWRITTEN, "", f"line {seen.seq} is not the one that {who} saw")
        elif found is None and seen.seq > 0 and self._first is not None and seen.seq <= self._first.seq:
            self._notes.append(f"line {seen.seq}, which {who} saw, is older than what is kept")

    def _wrong(self, fault: Fault, place: str, sentence: str) -> None:
        if len(self._findings) < _MOST_FINDINGS:
            self._findings.append(Finding(fault, place, sentence))


def verified(lines: Iterable[tuple[bytes, str]], heads: Mapping[str, Head] | None = None) -> Verdict:
    """Look through lines, each with its place."""
    verification = Verification(heads or {})
    for line, place in lines:
        verification.take(line, place)
    return verification.verdict()
