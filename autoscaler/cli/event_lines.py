"""How `events` prints decisions: a table that can go on for ever, so its columns stay as wide as they began.

A long reason goes on beneath, indented; a name that is wider than its column pushes only its own line.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from autoscaler.cli.changes import outcome_of, verdict_of
from autoscaler.cli.fitting import padded
from autoscaler.cli.output import hanging, named
from autoscaler.core.decision import Verdict
from autoscaler.core.printable import printable
from autoscaler.service.explain import sentence_in

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]
_HEADINGS = ("Time", "Domain", "Decision", "vCPUs", "Why")
_TO_COME = (19, 12, len("would unplug"), len("10 -> 12"), 0)
"""Columns for what may yet come."""
_GAP = "  "
_INDENT = 21
"""Of what does not fit on the line of an event, behind its time."""


class EventLines:
    """The lines of one table."""

    def __init__(self, events: Sequence[Json], *, goes_on: bool) -> None:
        """Choose widths that fit these events and, where the table goes on, most that may come."""
        rows = [_HEADINGS, *(_cells(event, 0.0) for event in events)]
        widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
        self._widths = list(map(max, widths, _TO_COME)) if goes_on else widths
        self._widths[-1] = cell_len(_HEADINGS[-1])

    def heading(self) -> str:
        """What stands above, in two lines."""
        return f"{self._line(_HEADINGS)}\n{self._line(['-' * width for width in self._widths])}"

    def line(self, event: Json, at_wall_s: float) -> str:
        """One decision at a time, with what came of it; on a terminal it may be several lines."""
        return hanging(self._line(_cells(event, at_wall_s)), indent=_INDENT)

    def _line(self, cells: Sequence[str]) -> str:
        spread = (padded(cell, width, right=False) for cell, width in zip(cells, self._widths, strict=True))
        return _GAP.join(spread).rstrip()


def _cells(event: Json, at_wall_s: float) -> tuple[str, ...]:
    at = datetime.fromtimestamp(at_wall_s, UTC).astimezone()
    operation = event["operation"]
    outcome = "" if operation is None else f"; {outcome_of(operation)}"
    lasted = "" if event["repeats"] == 0 else f" (for {event['until_wall_s'] - event['at_wall_s']:.0f} s)"
    return (
        f"{at:%Y-%m-%d %H:%M:%S}",
        printable(named(event["domain"])),
        verdict_of(event),
        _sizes(event),
        sentence_in(event) + lasted + outcome,
    )


def _sizes(event: Json) -> str:
    if event["verdict"] == Verdict.UNPLUG:
        return f"{event['plugged']} -> {event['plugged'] - 1}"
    online, following = ("?" if count is None else count for count in (event["online"], event["next_vcpus"]))
    return f"{online} -> {following}"
