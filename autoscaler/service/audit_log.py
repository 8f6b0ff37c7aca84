"""Who changed what, and why, in files to which lines are only ever added; `audit_chain` has their form.

A line is with the kernel before what it tells of is done, so that a killed service has said what it did; it
is on the disk soon after (`audit_disk`), as with the journal's commits. What is cut short in a line, by a
kill or a full disk, stays where it is and is marked by the next line: nothing is ever taken away from a file,
and the chain goes from the last whole line to that mark.

A file is ended and forgotten by its age only once the wall clock has gone on evenly for some hours: one that
is years ahead until NTP sets it right would cost nearly all files, and a file that began in the future would
keep those before it for years.

Invariants: one thread writes; each line follows the one that is in front of it in the file; a file that is
forgotten was told of before, so that what is missing at the beginning can be told from what somebody removed.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

from autoscaler.errors import AuditUnavailable
from autoscaler.service.audit_chain import MOST_LINE_BYTES, follows, line_of, read_line, stated, torn
from autoscaler.service.audit_disk import DiskSync
from autoscaler.service.audit_files import audit_files, file_of, first_entry, make_folder, outdated
from autoscaler.service.audit_tail import Tail, tail_of
from autoscaler.service.even_clock import EvenClock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from autoscaler.ports import Clock
    from autoscaler.service.audit_chain import Entry, Head

_log = logging.getLogger("autoscaler")

_FILE_BYTES = 16 << 20
"""A file that is as long is followed by a new one."""
_MOST_WAITING = 1000
"""Lines that wait for a disk; what would be more is lost, and said to be."""
_MOST_TEXT = 500
"""Characters of a text; more tell nothing more."""
_DAY_S = 86400.0
_EVEN_S = 6 * 3600.0
"""So long the wall clock has gone on evenly before it tells how old a file is."""


class AuditLog:
    """The log, written on the controller's thread."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        keep_s: float = 365 * _DAY_S,
        most_bytes: int = 1 << 30,
        file_s: float = 30 * _DAY_S,
        file_bytes: int = _FILE_BYTES,
    ) -> None:
        """Go on where the log ends, or begin it.

        Args:
            folder: of its files.
            clock: gives each line its time.
            keep_s: how long a file is kept after its last line.
            most_bytes: that all files together may have; the oldest ones go first.
            file_s: how long a file is written to.
            file_bytes: how much at most.

        Raises:
            AuditUnavailable: it cannot be read or written.
        """
        self._folder, self._clock, self._even = folder, clock, EvenClock(clock)
        self._keep_s, self._most_bytes = keep_s, most_bytes
        self._file_s, self._file_bytes = file_s, min(file_bytes, max(most_bytes // 4, 1))
        self._waiting: deque[Entry] = deque()
        self._sync = DiskSync()
        self._file: int | None = None
        self._said = ""
        """Why the last line could not be written; empty: it could."""
        self._forgotten = 0
        """The last line of what this run forgot."""
        try:
            self._go_on()
        except BaseException:
            self.close()
            raise

    @property
    def head(self) -> Head:
        """The newest line."""
        return self._tail.head

    @property
    def troubles(self) -> Mapping[str, str]:
        """Why it cannot be written; empty where it can."""
        trouble = self._said or (self._sync.trouble and self._sentence(self._sync.trouble))
        return {"audit": trouble} if trouble else {}

    def require(self, entry: Entry) -> None:
        """Add a line about something that is not to be done without it.

        Raises:
            AuditUnavailable: it could not be added.
        """
        self._settle()
        if self._sync.trouble:
            raise AuditUnavailable(self._sentence(self._sync.trouble))
        self._append(self._stamped(entry))

    def note(self, entry: Entry) -> None:
        """Add a line about something that is done whatever comes: now, or as soon as that can be."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(self._stamped(entry))
        else:
            _log.error("audit: too much waits to be written, this is lost: %s", dict(entry))
        with suppress(AuditUnavailable):
            self._settle()

    def expect(self, head: Head) -> None:
        """Hold the log against a line that was in it before; that it is gone is a line of its own."""
        found = self._tail.hashes.get(head.seq)
        if head.seq > self.head.seq:
            self._lost(f"its end was cut, for line {head.seq} was there and the last one is {self.head.seq}")
        elif found is not None and found != head.hash:
            self._lost(f"line {head.seq} is another than it was")

    def look_after(self) -> None:
        """Write what waits, begin a file where the newest is old, forget files; to be called now and then."""
        by_age = self._even.even_s() >= _EVEN_S
        with suppress(AuditUnavailable, OSError):
            if not self._is_as_left():
                before = self.head
                self._go_on()
                self.expect(before)
            self._settle()
            # Either way: a file that was begun by a clock that was ahead is ended too.
            age_s = abs(self._clock.wall_s() - self._tail.begun_wall_s)
            if by_age and self._tail.size and age_s > self._file_s:
                self._end_file()
            self._forget(by_age=by_age)

    def close(self) -> None:
        """Bring what was written to the disk, and end."""
        self._end_file()
        self._sync.close()

    def _go_on(self) -> None:
        """Open the newest file, and see where it ends.

        Raises:
            AuditUnavailable: it cannot be read or written.
        """
        self._end_file()
        try:
            make_folder(self._folder)
            self._tail = tail_of(self._folder)
            if self._tail.path is not None:
                self._open(self._tail.path)
        except OSError as error:
            raise self._failed(str(error.strerror)) from error

    def _open(self, path: Path) -> None:
        """Open a file, or make it: for the owner to write and his group to read, whatever the umask."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(path, flags, 0o600)
        found = os.fstat(self._file)
        if not found.st_size or found.st_mode & 0o007:
            os.fchmod(self._file, 0o640)

    def _end_file(self) -> None:
        """Write no more to the newest file; the next line begins another."""
        if self._file is None:
            return
        self._sync.ask(self._file)
        os.close(self._file)
        self._file = None

    def _is_as_left(self) -> bool:
        """Whether nobody else removed, cut or wrote to the newest file."""
        if self._file is None:
            return True
        try:
            assert self._tail.path is not None
            named, held = self._tail.path.lstat(), os.fstat(self._file)
        except OSError:
            return False
        return named.st_ino == held.st_ino and held.st_size == self._tail.end

    def _settle(self) -> None:
        """Write what waits.

        Raises:
            AuditUnavailable: that did not go.
        """
        while self._waiting:
            self._append(self._waiting[0])
            self._waiting.popleft()

    def _append(self, entry: Entry) -> None:
        try:
            if self._file is not None and self._tail.size >= self._file_bytes and not self._tail.junk:
                self._end_file()
            if self._file is None:
                self._begin_file()
            if self._tail.junk:
                self._mark_junk()
            self._write(entry)
        except OSError as error:
            raise self._failed(str(error.strerror)) from error
        if self._said:
            _log.info("the audit log can be written again")
            self._said = ""

    def _begin_file(self) -> None:
        """Begin the next file, which sorts behind all others."""
        newest = max((int(path.stem) for path in audit_files(self._folder)), default=0)
        path = file_of(self._folder, max(self.head.seq, newest) + 1)
        self._open(path)
        self._tail = Tail(path=path, head=self.head, hashes=self._tail.hashes)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._sync.ask(folder)
        os.close(folder)

    def _write(self, entry: Entry) -> None:
        assert self._file is not None
        line, head = line_of(entry, self.head)
        assert len(line) <= MOST_LINE_BYTES, len(line)
        if not self._tail.size:
            self._tail.begun_wall_s = self._clock.wall_s()
        written = os.write(self._file, line)
        if written < len(line):
            self._tail.junk += line[:written]
            raise OSError(0, "only a part of a line could be written")
        self._tail.take(head, len(line))
        self._sync.ask(self._file)

    def _mark_junk(self) -> None:
        """End what was cut short, and say in the next line that it is none."""
        assert self._file is not None
        if not self._tail.junk.endswith(b"\n"):
            os.write(self._file, b"\n")
            self._tail.junk += b"\n"
        entry = read_line(self._tail.junk)
        head = None if entry is None else stated(entry)
        if entry is not None and head is not None and follows(entry, self.head):
            self._tail.take(head, 0)  # only its newline was cut off
            return
        _log.warning("audit: %d bytes of a line that was cut short are marked", len(self._tail.junk))
        self._write(self._stamped(torn(self._tail.junk)))

    def _lost(self, why: str) -> None:
        _log.error("audit: %s", why)
        self.note({"what": "lost", "who": "unknown", "why": why})

    def _forget(self, *, by_age: bool) -> None:
        """Remove files that are too old or too many, whole; the log says before that they are gone."""
        before_wall_s = self._clock.wall_s() - self._keep_s if by_age else -inf
        going, staying = outdated(self._folder, before_wall_s=before_wall_s, most_bytes=self._most_bytes)
        after = first_entry(staying[0]) if going else None
        if after is None:  # where no line is left, none says what is forgotten: a person is to look
            return
        last = int(str(after["seq"])) - 1
        if last > self._forgotten:
            self._append(self._stamped({"what": "dropped", "up_to_seq": last, "up_to_hash": after["prev"]}))
            _log.info("audit: lines up to %d are forgotten", last)
            self._forgotten = last
        for path in going:
            path.unlink(missing_ok=True)

    def _stamped(self, entry: Entry) -> Entry:
        """With its time, and no text so long that the line would be too long."""
        stamped = {"at_wall_s": round(self._clock.wall_s(), 3), "who": "the service", **entry}
        return {
            key: value[:_MOST_TEXT] if isinstance(value, str) else value for key, value in stamped.items()
        }

    def _sentence(self, why: str) -> str:
        return (
            f"the audit log {self._folder} cannot be written ({why}): no guest is changed until it can; see "
            "the space, the rights and the health of its disk"
        )

    def _failed(self, why: str) -> AuditUnavailable:
        """Say so once, in the log of the service now and in this one when it can be written again."""
        sentence = self._sentence(why)
        if not self._said:
            _log.error("%s", sentence)
            self._said = sentence
            since = {"what": "unwritable", "why": why}
            self._waiting.appendleft(self._stamped(since))
        return AuditUnavailable(sentence)
