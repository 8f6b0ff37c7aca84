"""The page of one domain: what it has, why, and how that went, in parts that are sent anew as they change.

Invariant: a journal that cannot be read leaves its parts empty with a sentence, and the rest stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoscaler.core.percent import percent
from autoscaler.core.printable import printable
from autoscaler.core.reason import SENTENCES, Reason
from autoscaler.errors import JournalUnavailable
from autoscaler.service.journal_reader import moves
from autoscaler.service.lookup import explained
from autoscaler.service.page.cells import as_of, clock_time, named, row_of
from autoscaler.service.page.chart import chart_of
from autoscaler.service.page.templating import markup, render
from autoscaler.service.page.timeline import SPANS_S, Point, points_of, thinned
from autoscaler.service.promise import promise_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from autoscaler.service.page.chart import Chart
    from autoscaler.service.page.recent import Step
    from autoscaler.service.snapshot import DomainSnapshot, Snapshot

_MOST_MARKS = 400
_MOST_LISTED = 20
_ROUND = 10
"""From here on a tenth says nothing."""
_LAST_STAGES = ("online", "gone")
"""By which a change has come true."""


class DomainPage:
    """One domain's page, of one snapshot; reads the journal, so it is made on a worker thread."""

    def __init__(
        self,
        snapshot: Snapshot,
        domain: DomainSnapshot,
        key: str,
        *,
        span: str,
        journal: Path,
        recent: Sequence[tuple[float, Step]],
        recent_step_s: float,
    ) -> None:
        """`span` is one of `SPANS_S`; `recent` is the last half hour, which the journal may not have yet."""
        self._snapshot = snapshot
        self._domain = domain
        self._key = key
        self._span = span
        self._journal = journal
        self._recent = recent
        self._recent_step_s = recent_step_s

    def whole(self, every_s: float) -> str:
        """The page."""
        parts = {name: markup(html) for name, html in self.parts().items()}
        return render(
            "domain.html",
            name=named(self._domain.label),
            key=self._key,
            span=self._span,
            spans=list(SPANS_S),
            every_s=every_s,
            parts=parts,
        )

    def parts(self) -> Mapping[str, str]:
        """The parts that change, by the id of their element, as HTML.

        None holds what can have the focus or is scrolled, so that putting it in anew disturbs nobody.
        """
        return {
            "facts": render("part_facts.html", **self._facts()),
            "why": render("part_why.html", **self._why()),
            **self._course(),
            "as-of": as_of(self._snapshot.wall_s),
        }

    def _facts(self) -> dict[str, object]:
        domain, slo, load = self._domain, self._domain.slo, self._domain.load
        return {
            "c": row_of(domain, self._snapshot.wall_s),
            "conditions": [(name, printable(sentence)) for name, sentence in domain.conditions.items()],
            "uuid": domain.view.id.uuid,
            "host": printable(domain.view.id.host),
            "source": printable(domain.policy.source),
            "promise": promise_of(domain.policy.sla),
            "burn": _burning(slo.burn_rates["1h"]),
            "load": None
            if load is None
            else f"busy {load.busy_vcpus:.2f}, demand {load.demand_vcpus:.2f} vCPUs; "
            f"{load.steal_ratio:.0%} withheld by the host; read by {load.source}",
        }

    def _why(self) -> dict[str, object]:
        try:
            told = explained(self._journal, self._snapshot, self._domain.view.id.uuid, None)
        except JournalUnavailable as error:
            return {"note": printable(str(error)), "steps": []}
        if isinstance(told, str):
            return {"note": "", "steps": []}
        steps = [(step.stage, printable(step.text)) for step in told.steps]
        return {"note": printable(told.note), "steps": steps}

    def _course(self) -> dict[str, str]:
        to_wall_s = self._snapshot.wall_s
        from_wall_s = to_wall_s - SPANS_S[self._span]
        domain = self._domain.view.id
        try:
            known = points_of(self._journal, domain.host, domain.uuid, from_wall_s, to_wall_s)
            moved: Sequence[Mapping[str, Any]] = moves(
                self._journal,
                host=domain.host,
                uuid=domain.uuid,
                from_wall_s=from_wall_s,
                to_wall_s=to_wall_s,
                limit=_MOST_MARKS,
            )
        except JournalUnavailable as error:
            return _drawn(None, printable(str(error)), [])
        points = thinned(self._with_recent(known, from_wall_s), SPANS_S[self._span])
        chart = chart_of(points, moved, from_wall_s=from_wall_s, to_wall_s=to_wall_s) if points else None
        sentence = "nothing is known of this time yet: the first figures come after half a minute"
        return _drawn(chart, sentence, moved)

    def _with_recent(self, known: Sequence[Point], from_wall_s: float) -> list[Point]:
        """What the journal has, and behind it what it does not have yet."""
        end_s = known[-1].at_wall_s + known[-1].span_s if known else from_wall_s
        return [
            *known,
            *(
                Point(
                    at_wall_s=at_wall_s,
                    span_s=self._recent_step_s,
                    demand_vcpus=step.demand_vcpus,
                    online=step.online,
                    plugged=step.plugged,
                    upper=step.upper,
                )
                for at_wall_s, step in self._recent
                if at_wall_s >= end_s
            ),
        ]


def _drawn(chart: Chart | None, sentence: str, moved: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The chart, or the sentence why there is none, and the table of moves."""
    listed = [_told(move) for move in reversed(moved[-_MOST_LISTED:])]
    return {
        "chart": render("part_chart.html", chart=chart, sentence=sentence),
        "moves": render("part_moves.html", moves=listed, more=len(moved) - len(listed)),
    }


def _burning(rate: float | None) -> str:
    """How fast the budget was spent in the last hour."""
    if rate is None:
        return "nothing was measured in the last hour"
    if rate == 0:
        return "nothing was bad in the last hour"
    if rate <= 1:
        return f"in the last hour it burned at {percent(rate, 0)} of the pace that it may"
    return f"in the last hour it burned {rate:.{0 if rate >= _ROUND else 1}f} times as fast as it may"


def _told(move: Mapping[str, Any]) -> dict[str, str]:
    """A row of the table of moves."""
    stages = move["stages_s"]
    done_s = next((stages[stage] for stage in _LAST_STAGES if stage in stages), None)
    took = "-" if done_s is None else f"{done_s:.2f} s"
    outcome = move["outcome"] or "under way"
    what = " plugged" if move["direction"] == "unplug" else ""
    return {
        "when": clock_time(move["at_wall_s"], "%Y-%m-%d %H:%M:%S"),
        "move": f"{move['from_vcpus']} → {move['to_vcpus']}{what}",
        "why": SENTENCES[Reason(move["reason"])],
        "outcome": printable(f"{outcome}: {move['detail']}" if move["detail"] else str(outcome)),
        "took": took,
    }
