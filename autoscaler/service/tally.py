"""Counts per domain, kept by the controller and frozen into each snapshot."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from autoscaler.core.model import MissingReason
from autoscaler.core.operation import Direction, Outcome
from autoscaler.service.snapshot import Tally

if TYPE_CHECKING:
    from autoscaler.core.decision import Decision, Verdict
    from autoscaler.core.model import Missing
    from autoscaler.core.operation import Operation
    from autoscaler.core.reason import Reason

_WELL = frozenset({Outcome.DONE, Outcome.SUPERSEDED})
_OF_AGENT = frozenset(
    {
        MissingReason.AGENT_ABSENT,
        MissingReason.AGENT_BLOCKED,
        MissingReason.AGENT_UNRESPONSIVE,
        MissingReason.AGENT_NONSENSE,
    }
)
"""Reasons that the host, its daemon and a paused guest have no part in."""


class TallyCounter:
    """What has happened to one domain since it was first seen."""

    def __init__(self) -> None:
        self._decisions: Counter[tuple[Verdict, Reason]] = Counter()
        self._operations: Counter[Direction] = Counter()
        self._failures: Counter[tuple[Direction, Outcome]] = Counter()
        self._agent_errors: Counter[str] = Counter()

    def decided(self, decision: Decision) -> None:
        """Count one decision."""
        self._decisions[decision.verdict, decision.reason] += 1

    def missed(self, missing: Missing) -> None:
        """Count one sample that did not come, where that was the agent's doing."""
        if missing.reason in _OF_AGENT:
            self._agent_errors[missing.reason] += 1

    def begun(self, operation: Operation) -> None:
        """Count one operation."""
        self._operations[operation.direction] += 1

    def ended(self, operation: Operation) -> None:
        """Count an operation that did not end well."""
        if operation.outcome is not None and operation.outcome not in _WELL:
            self._failures[operation.direction, operation.outcome] += 1

    def frozen(self) -> Tally:
        """The counts as they stand."""
        return Tally(
            decisions=dict(self._decisions),
            operations=dict(self._operations),
            failures=dict(self._failures),
            agent_errors=dict(self._agent_errors),
        )
