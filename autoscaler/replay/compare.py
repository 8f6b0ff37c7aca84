"""A new policy against an old one, domain by domain: who gets better or worse, by how much, and why.

Both are judged by what the old policy promises: a promise is not kept better by promising less. Invariant:
each domain is better, worse or the same, exactly one of them, and who loses most comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from autoscaler.replay.why import why

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoscaler.replay.judged import Judged
    from autoscaler.replay.score import DomainScore

SAME_RATIO = 0.005
"""Costs no further apart than this, as a share of the old one, count as the same."""
SAME_BUDGET_RATIO = 0.1
"""So do shares of the error budget that were spent, where the cost is the same."""


class Verdict(StrEnum):
    """How a domain fares under the new policy."""

    WORSE = "worse"
    SAME = "same"
    BETTER = "better"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What the new policy means for one domain."""

    domain: str
    verdict: Verdict
    breaks_sla: bool
    """The old policy kept the domain inside its SLO, the new one does not."""
    new: DomainScore
    old: DomainScore
    why: str

    @property
    def j_ratio(self) -> float:
        """The new cost over the old one."""
        return self.new.j / self.old.j if self.old.j else 1.0


def change_of(new: Judged, old: Judged) -> Change:
    """Compare two courses of one domain, both judged by the same SLA and prices."""
    assert new.course.domain == old.course.domain
    return Change(
        domain=new.course.domain,
        verdict=_verdict(new.score, old.score),
        breaks_sla=old.score.in_slo and not new.score.in_slo,
        new=new.score,
        old=old.score,
        why=why(new, old),
    )


def worst_first(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Broken promises first, then who gets worse, each by what it loses: bad slices, then cost."""
    order = {Verdict.WORSE: 0, Verdict.SAME: 1, Verdict.BETTER: 2}
    return tuple(
        sorted(
            changes,
            key=lambda change: (
                not change.breaks_sla,
                order[change.verdict],
                change.old.bad - change.new.bad,
                -change.j_ratio,
                change.domain,
            ),
        )
    )


def _verdict(new: DomainScore, old: DomainScore) -> Verdict:
    """A kept promise first; where neither keeps it the fewer bad slices; else the cost, then the budget."""
    if new.in_slo != old.in_slo:
        return Verdict.BETTER if new.in_slo else Verdict.WORSE
    if not new.in_slo and new.bad != old.bad:
        return Verdict.BETTER if new.bad < old.bad else Verdict.WORSE
    if abs(new.j - old.j) > SAME_RATIO * old.j:
        return Verdict.BETTER if new.j < old.j else Verdict.WORSE
    if abs(new.budget_spent_ratio - old.budget_spent_ratio) <= SAME_BUDGET_RATIO:
        return Verdict.SAME
    return Verdict.BETTER if new.budget_spent_ratio < old.budget_spent_ratio else Verdict.WORSE
