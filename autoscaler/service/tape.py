"""The tape: all that comes to the controller, in order, so that its decisions can be made again from that.

The controller's thread does the same whenever the same comes to it: the calls that reach it, what its clocks
read, what workers bring back, and what the journal answers. Each of these is an entry, a JSON list:

    ["start", SETTINGS]            what the service was put together from
    ["call", NAME, ARGUMENT...]    a method of the controller was called
    ["back", NUMBER, RESULT]       the work that was submitted as the so many-th came back
    ["mono", SECONDS]  ["wall", SECONDS]   a clock was read
    ["told", RESULT]               the journal answered a question, or took an entry
    ["decided", ID, DECISION]      the journal took a decision; what `strict_replay` compares

Invariants: a piece on the disk ends at the end of a call; nothing is missing before the last entry, for a
tape that is full, or cannot be written, ends there.
"""

from __future__ import annotations

import json
import logging
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from autoscaler.errors import AutoscalerError, JournalUnavailable
from autoscaler.service.decision_record import inputs_of
from autoscaler.service.tape_values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import UnionType

    from autoscaler.core.decision import Decision
    from autoscaler.core.policy import PolicySet
    from autoscaler.ports import Clock
    from autoscaler.service.host import Host
    from autoscaler.service.lanes import Lane, Submit
    from autoscaler.service.settings import Config

T = TypeVar("T")

_log = logging.getLogger("autoscaler")

_PIECE_LENGTH = 1 << 18
"""Characters of entries that make a piece."""
_SHAPES: dict[str, tuple[type | UnionType, ...]] = {
    "start": (dict,),
    "call": (str,),
    "back": (int, object),
    "mono": (int | float,),
    "wall": (int | float,),
    "told": (object,),
    "decided": (object, list),
}
"""What follows the kind of an entry at least."""


def start_of(hosts: Iterable[Host], policies: PolicySet, config: Config) -> object:
    """The settings of a tape's first entry, as plain JSON values."""
    return to_plain(
        {
            "hosts": [(host.label, host.place) for host in hosts],
            "policies": policies,
            "limits": config.host,
            "deadlines": config.deadlines,
            "interval_s": config.interval_s,
        }
    )


class Reel(Protocol):
    """Where pieces of a tape go: the journal."""

    def begin_tape(self) -> None:
        """Forget the tape of an earlier run."""
        ...

    def wind_on(self, packed: bytes) -> None:
        """Add a piece.

        Raises:
            JournalUnavailable: it could not be written.
        """
        ...


class Tape:
    """A tape that is being written; on the controller's thread alone."""

    def __init__(self, reel: Reel, *, most_bytes: int) -> None:
        """Begin a new tape of at most so many bytes on the disk.

        Raises:
            JournalUnavailable: it could not be begun.
        """
        reel.begin_tape()
        self._reel: Reel | None = reel
        self._left_bytes = most_bytes
        self._entries: list[str] = []
        self._length = 0
        self.paused = False
        """Whether what happens now belongs to nothing that is decided, and is left out."""

    def put(self, *entry: object) -> None:
        """Add an entry of plain JSON values."""
        if self._reel is not None and not self.paused:
            text = json.dumps(entry, separators=(",", ":"))
            self._entries.append(text)
            self._length += len(text)

    def call_over(self) -> None:
        """A call has ended: a piece may end here."""
        if self._length >= _PIECE_LENGTH:
            self.wind()

    def wind(self) -> None:
        """Put what there is on the disk."""
        if self._reel is None or not self._entries:
            return
        packed = zlib.compress("\n".join(self._entries).encode())
        self._entries, self._length = [], 0
        self._left_bytes -= len(packed)
        try:
            if self._left_bytes >= 0:
                self._reel.wind_on(packed)
                return
            why = "it has the size that the configuration allows it (the key tape_mib of journal)"
        except JournalUnavailable as error:
            why = str(error)
        self._reel = None
        _log.warning("the tape of what decisions are made from ends here: %s", why)


class TapedClock:
    """A clock whose readings are on the tape."""

    def __init__(self, clock: Clock, tape: Tape) -> None:
        self._clock = clock
        self._tape = tape

    def monotonic_s(self) -> float:
        """Read it; see `autoscaler.ports.Clock`."""
        now_s = self._clock.monotonic_s()
        self._tape.put("mono", now_s)
        return now_s

    def wall_s(self) -> float:
        """Read it; see `autoscaler.ports.Clock`."""
        wall_s = self._clock.wall_s()
        self._tape.put("wall", wall_s)
        return wall_s


class TapedSubmit:
    """Submits, and has what comes back on the tape."""

    def __init__(self, submit: Submit, tape: Tape) -> None:
        self._submit = submit
        self._tape = tape
        self._submitted = 0

    def __call__(
        self,
        lane: Lane,
        work: Callable[[], T],
        then: Callable[[T | AutoscalerError], None],
        *,
        host: str = "",
    ) -> None:
        """Run `work` elsewhere; see `autoscaler.service.lanes.Submit`."""
        number, self._submitted = self._submitted, self._submitted + 1

        def taped(result: T | AutoscalerError) -> None:
            self._tape.put("back", number, to_plain(result))
            then(result)
            self._tape.call_over()

        self._submit(lane, work, taped, host=host)


def essence(decision: Decision) -> list[object]:
    """A decision in short, with a digest of all of it: two that are alike in this are alike."""
    shown: list[object] = [
        *(decision.name, decision.domain.host, decision.domain.uuid),
        *(str(decision.verdict), decision.next_vcpus, decision.target, str(decision.reason), decision.act),
    ]
    rest = [decision.at_s, decision.policy, decision.mode, decision.plugged, decision.online]
    whole = json.dumps(
        [*shown, *rest, decision.proposed, decision.unplug_to, inputs_of(decision)], sort_keys=True
    )
    return [*shown, sha256(whole.encode()).hexdigest()[:16]]


def entries_of(pieces: Iterable[bytes]) -> Iterator[list[Any]]:
    """The entries of a tape's pieces, in order.

    Raises:
        ValueError: a piece is damaged.
    """
    for piece in pieces:
        try:
            lines = zlib.decompress(piece).decode().split("\n")
            yield from map(_entry, lines)
        except (zlib.error, ValueError, RecursionError) as error:
            raise ValueError(f"the tape is damaged ({error})") from None


def _entry(line: str) -> list[Any]:
    """One entry, of a kind that there is and with all that such a one has.

    Raises:
        ValueError: it is none.
    """
    entry = json.loads(line)
    if isinstance(entry, list) and entry and isinstance(entry[0], str):
        shape = _SHAPES.get(entry[0], ())
        if len(entry) > len(shape) > 0 and all(map(isinstance, entry[1:], shape)):
            return entry
    raise ValueError(f"{line[:40]!r} is no entry")
