"""The last step of a decision: it is settled with its host, recorded, and what it asks for begun.

Invariant: nothing is begun that is not on record, and a removal takes no turn from a growth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.reason import Reason

if TYPE_CHECKING:
    from autoscaler.core.arbiter import Grant
    from autoscaler.ports import Clock
    from autoscaler.service.fleet import Fleet
    from autoscaler.service.governed import Governed
    from autoscaler.service.narrator import Narrator
    from autoscaler.service.recorder import Recorder


class Beginning:
    """Does so for one domain after the other, on the controller's thread."""

    def __init__(self, fleet: Fleet, *, recorder: Recorder, clock: Clock, narrator: Narrator) -> None:
        self._fleet = fleet
        self._recorder = recorder
        self._clock = clock
        self._narrator = narrator

    def conclude(self, governed: Governed, grant: Grant | None) -> None:
        """Record a decision as it was granted, None: as it is, and begin the move that it asks for."""
        state, now_s, wall_s = governed.state, self._clock.monotonic_s(), self._clock.wall_s()
        decision = state.decision if grant is None else state.settle(grant)
        assert decision is not None
        shares = self._fleet.shares(state.view.id.host)
        if decision.act and not decision.moves and not shares.may_unplug(now_s):
            decision = state.withhold(Reason.HOST_RATE)
        digest = self._fleet.assignments.policies.digest
        decision_id = self._recorder.decided(decision, wall_s=wall_s, digest=digest)
        if decision.act and not decision_id:
            decision = state.withhold(Reason.UNRECORDED)
        governed.tally.decided(decision)
        if not decision.act:
            return
        operation = state.begin(decision, decision_id, now_s)
        if decision.moves:
            shares.changes_one(now_s)
        else:
            shares.asks_back_one(now_s)
        governed.tally.begun(operation, wall_s)
        self._narrator.begun(decision, operation)
