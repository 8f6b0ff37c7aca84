"""Strict replay: the real controller once more over a tape, each decision held against the one taken live.

Nothing is simulated: the clocks read what they read, workers bring back what they brought back. So a decision
that comes out otherwise is one that this version of the service takes otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import CollectorRegistry

from autoscaler.backends.reached import Versions
from autoscaler.errors import AutoscalerError
from autoscaler.service.controller import Controller
from autoscaler.service.fleet import Fleet
from autoscaler.service.host import Host
from autoscaler.service.instruments import Instruments
from autoscaler.service.journal_reader import tape_length, tape_of
from autoscaler.service.recorder import Recorder
from autoscaler.service.tape import entries_of, essence
from autoscaler.service.tape_values import from_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from autoscaler.core.decision import Decision
    from autoscaler.core.operation import Operation
    from autoscaler.core.orders import Order
    from autoscaler.ports import Kept
    from autoscaler.service.lanes import Lane

T = TypeVar("T")

_CALLS = frozenset({"tick", "look", "settle", "apply", "give", "end_order", "flush", "keep_all"})
_SHOWN = ("domain", "host", "uuid", "verdict", "next_vcpus", "target", "reason", "act")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrictReplay:
    """What came of a strict replay."""

    decisions: int
    """How many came out as they did live."""
    acting: int
    """How many of them began a change."""
    domains: int
    seconds: float
    """How long the service had run, as far as the tape goes."""
    difference: str
    """The first decision that came out otherwise, in a sentence; the replay ends there. Empty: none did."""


class _Parted(BaseException):
    """The replay asks for something else than came live: past any `except Exception` of the controller."""


class _Player:
    """Hands a tape's entries out, and notes the decisions."""

    def __init__(self, entries: Iterator[list[Any]]) -> None:
        self._entries = entries
        self.decisions = self.acting = 0
        self.domains: set[str] = set()
        self.first_s: float | None = None
        self.now_s = 0.0
        self._submitted = count()
        self._then: dict[int, Callable[[Any], None]] = {}
        """What is to be called when the work of each number comes back."""

    def next(self) -> list[Any] | None:
        """The next entry; None: the tape ends here."""
        return next(self._entries, None)

    def expect(self, kind: str) -> list[Any]:
        """The next entry, which has to be of this kind."""
        entry = self.next()
        if entry is None:
            raise _Parted("")
        if entry[0] != kind:
            raise _Parted(f"the live service came to {entry[0]!r} where this one comes to {kind!r}")
        return entry

    def monotonic_s(self) -> float:
        """Clock."""
        self.now_s = self.expect("mono")[1]
        if self.first_s is None:
            self.first_s = self.now_s
        return self.now_s

    def wall_s(self) -> float:
        """Clock."""
        wall_s: float = self.expect("wall")[1]
        return wall_s

    def submit(
        self,
        lane: Lane,  # noqa: ARG002 - the port
        work: Callable[[], T],  # noqa: ARG002
        then: Callable[[T | AutoscalerError], None],
        *,
        host: str = "",  # noqa: ARG002
    ) -> None:
        """Wait for what came back live; nothing is done."""
        self._then[next(self._submitted)] = then

    def back(self, number: int, result: object) -> None:
        """Work came back."""
        if number not in self._then:
            raise _Parted("the live service asked for something that this one does not ask for")
        self._then.pop(number)(result)

    def told(self) -> Any:  # noqa: ANN401 - whatever the journal said
        """What the journal answered."""
        answer = from_plain(self.expect("told")[1])
        if isinstance(answer, AutoscalerError):
            raise answer
        return answer

    def decided(self, decision: Decision) -> int:
        """Hold a decision against the live one, and give its id."""
        _, row, live = self.expect("decided")
        again = essence(decision)
        if again != live:
            raise _Parted(_difference(live, again))
        self.decisions += 1
        self.acting += decision.act
        self.domains.add(decision.domain.uuid)
        answer = from_plain(row)
        if isinstance(answer, AutoscalerError):
            raise answer
        number: int = answer
        return number


def _difference(live: Sequence[object], again: Sequence[object]) -> str:
    if live[:-1] == again[:-1]:
        return f"a decision for domain {live[0]!r} rests on other figures than it did live"
    told = [
        ", ".join(f"{name} {value}" for name, value in zip(_SHOWN, of, strict=False)) for of in (live, again)
    ]
    return f"decided live: {told[0]}; decided again: {told[1]}"


class _PlayedJournal:
    """The journal port over a tape; see `autoscaler.ports.Journal`."""

    def __init__(self, player: _Player) -> None:
        self._player = player

    def decided(self, decision: Decision, **_: object) -> int:
        return self._player.decided(decision)

    def ended(self, *_: object, **__: object) -> None:
        self._player.told()

    def ordered(self, *_: object, **__: object) -> None:
        self._player.told()

    def order_ended(self, *_: object, **__: object) -> None:
        self._player.told()

    def orders(self) -> Sequence[Order]:
        return self._player.told()  # type: ignore[no-any-return]

    def keep(self, *_: object, **__: object) -> None:
        self._player.told()

    def kept(self, *_: object, **__: object) -> Kept | None:
        return self._player.told()  # type: ignore[no-any-return]

    def growths_s(self, *_: object, **__: object) -> Sequence[float]:
        return self._player.told()  # type: ignore[no-any-return]

    def changes(self, *_: object, **__: object) -> Sequence[Operation]:
        return self._player.told()  # type: ignore[no-any-return]

    def flush(self) -> None:
        """Nothing is kept."""


class _Silent:
    """Every port of a host; none is ever asked, for what it said is on the tape."""

    def __init__(self, label: str) -> None:
        self.label = label

    def troubles(self) -> Mapping[str, str]:
        return {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def asked(*_: object, **__: object) -> Any:  # noqa: ANN401
            raise AssertionError(f"a replay asks its host for {name}")

        return asked


def strict_replay(path: Path, *, progress: Callable[[int, int], None] = lambda _, __: None) -> StrictReplay:
    """Make every decision of a journal's tape again; `progress` is told which piece of how many is next.

    Raises:
        JournalUnavailable: the journal cannot be read.
        ValueError: it holds no tape, or one that is damaged or of another version.
    """
    player = _Player(entries_of(_counted(path, progress)))
    difference = ""
    try:
        _play(player)
    except _Parted as parted:
        difference = str(parted)
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            "the tape cannot be played, it is damaged or of another version "
            f"({type(error).__name__}: {error})"
        ) from error
    return StrictReplay(
        decisions=player.decisions,
        acting=player.acting,
        domains=len(player.domains),
        seconds=player.now_s - (player.first_s or player.now_s),
        difference=difference,
    )


def _counted(path: Path, progress: Callable[[int, int], None]) -> Iterator[bytes]:
    length = tape_length(path)
    for number, piece in enumerate(tape_of(path)):
        progress(number, length)
        yield piece


def _play(player: _Player) -> None:
    start = player.next()
    if start is None or start[0] != "start":
        raise ValueError(
            "the journal holds no tape: give the key tape_mib of journal a size in the configuration, and "
            "let the service run for a while"
        )
    settings = from_plain(start[1])
    controller = _controller(settings, player)
    while (entry := player.next()) is not None:
        kind, name, *arguments = entry
        if kind == "back":
            player.back(name, from_plain(arguments[0]))
        elif kind == "call" and name in _CALLS:
            getattr(controller, name)(*map(from_plain, arguments))
        else:
            raise _Parted(f"the live service came to {kind!r} where this one waits for a call")


def _controller(settings: Mapping[str, Any], player: _Player) -> Controller:
    recorder = Recorder(_PlayedJournal(player))
    fleet = Fleet(
        [_host(label, place) for label, place in settings["hosts"]],
        policies=settings["policies"],
        limits=settings["limits"],
        deadlines=settings["deadlines"],
        recorder=recorder,
        clock=player,
    )
    return Controller(
        fleet,
        recorder=recorder,
        clock=player,
        submit=player.submit,
        instruments=Instruments(CollectorRegistry()),
        publish=lambda _: (
            None
        ),  # Snapshots are made all the same: what they read of the clocks is on the tape.
        interval_s=settings["interval_s"],
    )


def _host(label: str, place: str) -> Host:
    silent: Any = _Silent(label)
    return Host(
        hypervisor=silent,
        probe=silent,
        cpus=silent,
        machine=silent,
        place=place,
        forget=lambda _: None,
        versions=lambda _: Versions(qemu=None, libvirt=None, agent=None),
    )
