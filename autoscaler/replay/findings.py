"""What is wrong with recorded demand, and what was mended in it.

Invariant: nothing is mended without a sentence that says so; all that is wrong is told at once, up to
`MOST_PROBLEMS` of a file, and where something is wrong there is no trace.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import Enum
from operator import itemgetter

from autoscaler.errors import AutoscalerError

MOST_PROBLEMS = 20
"""Of one place: who made one mistake made it in every line, and that many show the pattern."""
MOST_TOLD = 200
"""Of all places together."""
_SHOWN_CHARACTERS = 60


class TraceError(AutoscalerError):
    """Recorded demand cannot be used; the text has one line for each reason, with file and line."""


class TooManyProblems(TraceError):
    """A place has more problems than are told of one: read it no further."""


def shown(text: str) -> str:
    """Text that somebody else wrote: quoted, escaped, and cut to what leaves a sentence readable."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "...")


def placed(place: str, line: int | None) -> str:
    """``file:line``, fit for a terminal; a place without lines is a server, or a file as a whole."""
    name = place if place.isprintable() else repr(place)[1:-1]
    return name if line is None else f"{name}:{line}"


@dataclass(slots=True)
class Problems:
    """Gathers what is wrong."""

    _of_place: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def add(self, place: str, line: int | None, message: str) -> None:
        """Note one.

        Raises:
            TooManyProblems: when the place is not to be read any further.
            TraceError: with all that was noted, when there is no end of it.
        """
        found = self._of_place.setdefault(place, [])
        if len(found) == MOST_PROBLEMS:
            more = f"{placed(place, line)}: there is more; it was read no further"
            found.append((sys.maxsize, more))
            raise TooManyProblems(more)
        found.append((line or 0, f"{placed(place, line)}: {message}"))
        if sum(map(len, self._of_place.values())) == MOST_TOLD:
            raise TraceError("\n".join([*self._told(), "there is more; nothing was read any further"]))

    def spoil(self, place: str) -> bool:
        """Whether something is wrong with that place."""
        return place in self._of_place

    def raise_any(self) -> None:
        """End here if something is wrong.

        Raises:
            TraceError: with every problem, by place and line.
        """
        if self._of_place:
            raise TraceError("\n".join(self._told()))

    def _told(self) -> list[str]:
        return [told for found in self._of_place.values() for _, told in sorted(found, key=itemgetter(0))]


class Mend(Enum):
    """Every way in which recorded rows are mended; the text is what is said of it."""

    SORTED = "rows were not in the order of their time and were sorted"
    HOUR = "rows step back by an hour, as at the end of summer time, and were sorted: give times in UTC"
    DOUBLED = "rows that repeat another's time and value were dropped"
    EMPTY = "rows without a value are gaps"
    OFF = "rows of a domain with 0 vCPUs are gaps"
    CLIPPED = "rows that reach into the next end where that begins"
    UNEVEN = "rows came at uneven intervals; what a step has is the mean by time"
    GAP = "rows after a gap that is too long to bridge; what lies in it is not known"
    COUNT = "rows state other vCPUs than the rows before; the most are taken"
    UNIT = (
        "rows from which on demand is never less than ten times what it ever was before, and in the tens: "
        "percent? They are taken as vCPUs"
    )
    BEYOND = "rows want more vCPUs than the maximum that is stated, which holds: what is above it waits"


@dataclass(slots=True)
class _Tally:
    line: int | None
    rows: int = 0
    domains: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Repairs:
    """Gathers what was mended: one sentence for each file and way, however many rows there are."""

    _tallies: dict[tuple[str, Mend], _Tally] = field(default_factory=dict)
    _others: list[str] = field(default_factory=list)

    def mended(self, place: str, line: int | None, mend: Mend, *, domain: str, rows: int) -> None:
        """Note that so many rows of a domain were mended, the first of them at this line."""
        tally = self._tallies.setdefault((place, mend), _Tally(line))
        if line is not None and tally.line is not None:
            tally.line = min(tally.line, line)
        tally.rows += rows
        tally.domains.add(domain)

    def note(self, place: str, message: str) -> None:
        """Note what was done with a file as a whole."""
        self._others.append(f"{placed(place, None)}: {message}")

    def sentences(self) -> tuple[str, ...]:
        """All of them: files as a whole first, then rows in the order in which they were met."""
        return (
            *self._others,
            *(_sentence(place, mend, tally) for (place, mend), tally in self._tallies.items()),
        )


def _sentence(place: str, mend: Mend, tally: _Tally) -> str:
    whose = f" in {len(tally.domains)} domains" if len(tally.domains) > 1 else ""
    first = "" if tally.line is None else ", the first one here"
    return f"{placed(place, tally.line)}: {tally.rows}x{whose}{first}: {mend.value}"
