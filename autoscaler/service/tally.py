"""Counts per domain, kept by the controller and frozen into each snapshot."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from autoscaler.core.demand import Dropped
from autoscaler.core.operation import Direction, Outcome, Plug, Unplug
from autoscaler.errors import (
    AgentAbsent,
    AgentBlocked,
    AgentError,
    AgentLeftAlone,
    AgentNonsense,
    AgentRefused,
    AgentUnresponsive,
    AutoscalerError,
    OutcomeUnknown,
)
from autoscaler.service.moving_counts import MovingCounts
from autoscaler.service.snapshot import Example, Tally

if TYPE_CHECKING:
    from autoscaler.core.decision import Decision, Verdict
    from autoscaler.core.operation import Action, Operation
    from autoscaler.core.reason import Reason

_WELL = frozenset({Outcome.DONE, Outcome.SUPERSEDED})
UNKNOWN = "unknown"
"""Counted beside the outcomes where the reply to a change was lost; it goes on after a look."""
_WAYS: dict[type[Action], Direction] = {Plug: Direction.UP, Unplug: Direction.UNPLUG}
"""The direction of a change whose reply may be lost; a guest is simply asked again."""
_NAMES: tuple[tuple[type[AgentError], str], ...] = (
    (AgentAbsent, "agent-absent"),
    (AgentBlocked, "agent-blocked"),
    (AgentUnresponsive, "agent-unresponsive"),
    (AgentRefused, "agent-refused"),
    (AgentNonsense, "agent-nonsense"),
)
"""What each error of an agent is counted as: what its host, the daemon and a paused guest do is not its."""

_LIES = {Dropped.BACKWARDS: "counters-backwards", Dropped.IMPOSSIBLE: "counters-impossible"}


class TallyCounter:
    """What has happened to one domain since it was first seen."""

    def __init__(self) -> None:
        self._decisions: MovingCounts[tuple[Verdict, Reason]] = MovingCounts()
        self._operations: Counter[Direction] = Counter()
        self._examples: dict[Direction, Example] = {}
        self._failures: Counter[tuple[Direction, str]] = Counter()
        self._agent_errors: MovingCounts[str] = MovingCounts(rare=True)

    def decided(self, decision: Decision) -> None:
        """Count one decision."""
        self._decisions.add((decision.verdict, decision.reason), decision.at_s)

    def called(self, result: object, now_s: float) -> None:
        """Count how a call to the agent ended, where that was an error of the agent's."""
        error = result.__cause__ if isinstance(result, AgentLeftAlone) else result
        for kind, name in _NAMES:
            if isinstance(error, kind):
                self._agent_errors.add(name, now_s)

    def acted(self, action: Action, result: object, now_s: float) -> None:
        """Count how an action came out, where that was an error of the agent's or is not known."""
        self.called(result, now_s)
        if isinstance(result, OutcomeUnknown) and type(action) in _WAYS:
            self._failures[_WAYS[type(action)], UNKNOWN] += 1

    def sampled(
        self,
        error: AutoscalerError | None,
        dropped: Dropped | None,
        now_s: float,
        *,
        disbelieved: bool = False,
    ) -> None:
        """Count how a sample failed, or what of it cannot be true."""
        if error is not None:
            self.called(error, now_s)
        if disbelieved:
            self._agent_errors.add("agent-nonsense", now_s)
        if dropped in _LIES:
            self._agent_errors.add(_LIES[dropped], now_s)

    def begun(self, operation: Operation, wall_s: float) -> None:
        """Count one operation, which begins at this time."""
        self._operations[operation.direction] += 1
        self._examples[operation.direction] = Example(operation.decision_id, wall_s)

    def ended(self, operation: Operation) -> None:
        """Count an operation that did not end well."""
        if operation.outcome is not None and operation.outcome not in _WELL:
            self._failures[operation.direction, operation.outcome] += 1

    def frozen(self, now_s: float) -> Tally:
        """The counts as they stand."""
        return Tally(
            decisions=self._decisions.told(now_s),
            operations=dict(self._operations),
            examples=dict(self._examples),
            failures=dict(self._failures),
            agent_errors=self._agent_errors.told(now_s),
        )
