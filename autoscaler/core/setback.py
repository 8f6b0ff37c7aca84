"""What changes of one kind, those of one direction or of one slot, leave behind that did not end well.

* *denied*: until what the denial was about, the plugged vCPUs or the maximum, is another; 5 minutes at most;
* *conflict*: the first of a row not at all, for what is needed is decided anew on what is there; then short;
* any other: exponentially longer, with jitter.

Invariant: what one outcome leaves is let go of without what the others left: a denial that ends takes no
failures with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from autoscaler.core.backoff import FIRST_S, LONGEST_S, BackOff
from autoscaler.core.operation import Outcome
from autoscaler.core.reason import Reason

if TYPE_CHECKING:
    from autoscaler.core.model import DomainView

CONFLICT_S, CONFLICT_LONGEST_S = 1.0, 30.0
"""Back-off after the second conflict in a row, and the longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A hypervisor's refusal for a stated reason, and what it was about."""

    plugged: int
    maximum: int
    until_s: float
    """When it is tried again all the same."""

    def is_about(self, view: DomainView) -> bool:
        """Whether the domain still is as it was when the change was denied."""
        return (self.plugged, self.maximum) == (view.plugged, view.maximum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """What is left of the last changes of one kind."""

    failures: BackOff = field(default_factory=BackOff)
    conflicts: BackOff = field(default_factory=BackOff)
    denial: Denial | None = None
    """None: the last change was not denied, or what that was about is another."""

    def took(
        self,
        outcome: Outcome,
        view: DomainView,
        who: str,
        now_s: float,
        *,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
    ) -> Setback:
        """One more change came to such an end; `who`, `first_s`, `longest_s` as for `BackOff.failed`."""
        if outcome is Outcome.DENIED:
            denial = Denial(plugged=view.plugged, maximum=view.maximum, until_s=now_s + LONGEST_S)
            return replace(self, conflicts=BackOff(), denial=denial)
        if outcome is not Outcome.CONFLICT:
            return Setback(failures=self.failures.failed(who, now_s, first_s=first_s, longest_s=longest_s))
        if not self.conflicts.failures:
            return replace(self, conflicts=BackOff(1), denial=None)
        # Counted, and not waited for, was the first of the row: half of it makes the second `CONFLICT_S`.
        again = self.conflicts.failed(who, now_s, first_s=CONFLICT_S / 2, longest_s=CONFLICT_LONGEST_S)
        return replace(self, conflicts=again, denial=None)

    def seen(self, view: DomainView) -> Setback:
        """Without a denial whose cause has changed."""
        if self.denial is None or self.denial.is_about(view):
            return self
        return replace(self, denial=None)

    def obstacle(self, now_s: float) -> Reason | None:
        """Why it is too early for another change; None: it is not."""
        if self.denial is not None and now_s < self.denial.until_s:
            return Reason.DENIED
        waiting = self.failures.waiting(now_s) or self.conflicts.waiting(now_s)
        return Reason.BACK_OFF if waiting else None
