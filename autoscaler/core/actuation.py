"""The change of one domain that is under way: what to do next, what came of it, when to give up.

The driver asks `next_action`, carries it out, and reports: `started`, then one of `plugged`, `guest_shows`,
`unknown`, `failed`. What a tick observes comes in by `observed`.

Invariants: at most one operation is under way and at most one action in flight; an action whose reply was
lost is only repeated after a fresh look; nothing is asked, and no deadline runs, while the domain is held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.backoff import AskingAgain
from autoscaler.core.condition import Condition, stuck, unanswered, unknown
from autoscaler.core.deadlines import Deadlines, Patience, Stage, awaited
from autoscaler.core.left_behind import LeftBehind
from autoscaler.core.operation import Action, Direction, Operation, Outcome, Plug, SetOnline, Wait
from autoscaler.core.reason import Reason
from autoscaler.core.setbacks import Setbacks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.core.decision import Decision
    from autoscaler.core.demand import Load
    from autoscaler.core.model import DomainView, GuestVcpus

_AGAIN_S, _AGAIN_MAX_S = 0.05, 1.0
"""Pauses before a guest that does not list a new vCPU yet is asked again."""


class Actuation:
    """One domain's operations: the one under way and what the last ones left behind."""

    def __init__(self, view: DomainView, deadlines: Deadlines) -> None:
        self.operation: Operation | None = None
        """The change under way, or the last growth while its relief is awaited."""
        self.last_change_s: float | None = None
        """When the last operation ended that changed the domain, or may have."""
        self._view = view
        self._deadlines = deadlines
        self._plugged, self._plugged_at_s = view.plugged, view.at_s
        """The vCPUs last known to be plugged, and since when that is known."""
        self._closed: list[Operation] = []
        self._in_flight: Action | None = None
        self._again = AskingAgain(_AGAIN_S, _AGAIN_MAX_S)
        self._unrelieved: Operation | None = None
        """The last growth, where its relief did not come in time and may be seen yet."""
        self._unknown_since_s: float | None = None
        """Since when it is not known whether a `Plug` was made."""
        self._unheard = False
        """Whether the guest may have done what it was asked, and did not answer."""
        self._patience = Patience()
        self._setbacks = Setbacks(view, deadlines)
        self._left_behind = LeftBehind()
        self._last_error = ""

    @property
    def busy(self) -> bool:
        """Whether a change is under way."""
        return self._in_flight is not None or (self.operation is not None and not self.operation.settled)

    @property
    def may_have_plugged(self) -> int:
        """The vCPUs that are plugged, as far as that was done here, or may have been and is not known yet."""
        unsure = isinstance(self._in_flight, Plug) or self._unknown_since_s is not None
        return max(self._plugged, self.operation.to_vcpus if self.operation and unsure else 0)

    @property
    def at_rest(self) -> bool:
        """Whether there is nothing to do, nor to hand over."""
        return self.operation is None and self._in_flight is None and not self._closed

    @property
    def conditions(self) -> Mapping[Condition, str]:
        """What the last changes left behind, each with its sentence."""
        found = self._setbacks.conditions
        if self._unheard or self._unknown_since_s is not None:
            found[Condition.UNKNOWN] = unknown(self._view.named)
        return found

    def may_bring(self, before: int, after: int) -> bool:
        """Whether what was begun here can be why a count changed: it is under way, or comes true late."""
        begun = self.operation is not None and self.busy and self.operation.leads(before, after)
        return begun or self._setbacks.may_bring(before, after) or self._left_behind.may_bring(before, after)

    def is_ours(self, view: DomainView, given_back: int) -> bool:
        """Whether the vCPUs that this view finds plugged are those left here, or fewer by `given_back`."""
        if view.at_s <= self._plugged_at_s or self._plugged - given_back <= view.plugged <= self._plugged:
            return True
        return self.may_bring(self._plugged, view.plugged)

    def coming(self, online: int) -> int:
        """VCPUs that a guest with `online` will run once the change under way is done."""
        return self.operation.to_vcpus if self.operation is not None and self.busy else online

    def obstacle(self, direction: Direction, now_s: float) -> Reason | None:
        """Why no change of this direction can begin now; None: it can."""
        if self.busy:
            return Reason.IN_PROGRESS
        return self._setbacks.obstacle(direction, now_s)

    def inherit(self, operation: Operation, now_s: float) -> None:
        """Know of a change that was made before this state was; to be told of all, the oldest first.

        So a restart neither forgets a cooldown or a back-off, nor takes for somebody else's what the run
        before it had begun. What is left to do of it is decided anew, on what is seen.
        """
        outcome = operation.outcome
        unseen = outcome in {None, Outcome.ABANDONED}
        waited_s = self._deadlines.of(awaited(operation)) if outcome is Outcome.STUCK else 0.0
        last_s = operation.online_s or operation.accepted_s or operation.requested_s + waited_s
        if unseen or operation.accepted_s is not None or outcome is Outcome.STUCK:
            self.last_change_s = last_s
        self._setbacks.inherit(operation, last_s)
        if unseen or outcome is Outcome.CONFLICT:
            self._left_behind.add(operation, now_s)

    def begin(self, decision: Decision, decision_id: int, now_s: float) -> Operation:
        """Start the move that `decision` asks for; it must say ``act``, and none may be under way."""
        assert decision.act, decision
        assert not self.busy, self.operation
        if self.operation is not None:
            self._close(self.operation.ended(Outcome.SUPERSEDED))
        self._closed += self._left_behind.overtake()
        self._unrelieved = None
        self._last_error = ""
        self._again.begin(now_s)
        self._patience.begin(now_s)
        self.operation = Operation(
            decision_id=decision_id,
            from_vcpus=decision.online,
            to_vcpus=decision.next_vcpus,
            reason=decision.reason,
            requested_s=now_s,
        )
        return self.operation

    def next_action(self, now_s: float) -> Action | Wait | None:
        """What to do now; a time to come back at; or None: nothing before the next observation."""
        operation = self.operation
        if operation is None or operation.settled or self._in_flight is not None or self._patience.held:
            return None
        if now_s < self._again.not_before_s:
            return Wait(until_s=self._again.not_before_s)
        unplugged = operation.direction is Direction.UP and self._view.plugged < operation.to_vcpus
        if not unplugged or operation.accepted_s is not None:
            return SetOnline(target=operation.to_vcpus)
        if self._unknown_since_s is not None:
            return None
        return Plug(expect=self._view.plugged, target=operation.to_vcpus)

    def started(self, action: Action) -> None:
        """The driver has handed `action` out."""
        assert self._in_flight is None, self._in_flight
        self._in_flight = action

    def plugged(self, now_s: float) -> None:
        """The hypervisor accepted the `Plug` in flight."""
        if isinstance(self._in_flight, Plug):
            self._plugged, self._plugged_at_s = self._in_flight.target, now_s
        self._in_flight, self._last_error = None, ""
        if self.operation is not None:
            self.operation = self.operation.accepted(now_s)

    def guest_shows(self, vcpus: GuestVcpus, now_s: float) -> None:
        """The `SetOnline` in flight came back with what the guest has now."""
        self._in_flight, self._last_error, self._unheard = None, "", False
        self._advance(present=vcpus.present, online=vcpus.online, now_s=now_s)
        self._again.put_off(now_s)

    def unknown(self, detail: str, now_s: float, *, lost: bool) -> None:
        """The action in flight did not come to an answer: look before anything else is done.

        `lost`: it may have been carried out all the same.
        """
        if lost and isinstance(self._in_flight, Plug):
            self._unknown_since_s = now_s
        elif lost:
            self._unheard = self.operation is not None and not self.operation.settled
        self._in_flight, self._last_error = None, detail
        self._again.put_off(now_s)

    def failed(self, outcome: Outcome, detail: str, now_s: float) -> None:
        """The action in flight was refused or went wrong: the operation ends, its direction backs off."""
        self._in_flight = None
        if self.operation is not None and not self.operation.settled:
            self._give_up(self.operation, outcome, detail, now_s)

    def observed(
        self, view: DomainView, online: int | None, load: Load | None, now_s: float, *, held: bool = False
    ) -> None:
        """Take in what a tick read; `online` and `load` are None where the guest was not seen.

        `held`: a job, a freeze or a pause has the domain, so that nobody could follow a change now.
        """
        self._view = view
        self._patience.look(now_s, held=held)
        if held:
            self._unrelieved = None
            self.operation = None if self.operation is None else self.operation.delayed()
        if view.at_s > self._plugged_at_s:
            self._plugged, self._plugged_at_s = view.plugged, view.at_s
            self._see_taken_away(now_s)
        if self._unknown_since_s is not None and view.at_s > self._unknown_since_s:
            self._unknown_since_s = None
        self._setbacks.look(view, online, now_s)
        for operation in self._left_behind.look(online, now_s, held=held):
            self._closed.append(operation)
            if operation.outcome is Outcome.DONE:
                self._setbacks.forgive(operation.direction, now_s)
        if online is not None:
            self._unheard = False
            self._advance(present=None, online=online, now_s=now_s)
        if load is not None:
            self._relieve(load)
        self._expire(online, now_s)

    def content(self) -> None:
        """The domain has what it should have: what went wrong on another way there is of no concern now."""
        if not self.busy:
            self._setbacks.pass_over()

    def abandon(self, why: str) -> None:
        """Nobody will see how the change goes on: close it with what was seen."""
        if self.operation is not None:
            end = (Outcome.DONE, "") if self.operation.settled else (Outcome.ABANDONED, why)
            self._close(self.operation.ended(*end))
        self._closed += self._left_behind.abandon(why)

    def take_closed(self) -> list[Operation]:
        """Hand over the operations that ended since the last call."""
        closed, self._closed = self._closed, []
        return closed

    def _advance(self, *, present: int | None, online: int, now_s: float) -> None:
        if self.operation is None or self.operation.settled:
            return
        self.operation = operation = self.operation.seen(present=present, online=online, now_s=now_s)
        if operation.settled:
            self.last_change_s = now_s
            self._patience.begin(now_s)
            if self._setbacks.forgive(operation.direction, now_s):
                # It did what an attempt before this one asked: only that one's time tells of its host.
                self.operation = operation = operation.delayed()
            if operation.direction is Direction.DOWN:
                self._close(operation.ended(Outcome.DONE))

    def _see_taken_away(self, now_s: float) -> None:
        """End a growth whose vCPUs were plugged and are there no more: what is needed is decided anew."""
        operation = self.operation
        if operation is None or operation.settled or operation.direction is not Direction.UP:
            return
        if operation.accepted_s is not None and self._view.plugged < operation.to_vcpus:
            detail = f"domain {self._view.name!r} has {self._view.plugged} vCPUs plugged now"
            self._give_up(operation, Outcome.CONFLICT, detail, now_s)
            self._left_behind.add(self._closed[-1], now_s)  # its guest may have been asked

    def _relieve(self, load: Load) -> None:
        """Close a growth once an interval wholly after it is unsaturated; one closed before only teaches."""
        operation = self.operation or self._unrelieved
        begun_s = load.at_s - load.span_s
        if operation is None or operation.online_s is None or load.saturated or begun_s < operation.online_s:
            return
        if self.operation is not None:
            self._close(operation.relieved(load.at_s))
        else:
            self._unrelieved = None
            self._deadlines.note_late(operation, load.at_s)

    def _expire(self, online: int | None, now_s: float) -> None:
        operation = self.operation
        if operation is None:
            return
        if operation.online_s is not None:
            if self._in_flight is None and self._patience.waited_s > self._deadlines.of(Stage.RELIEVED):
                self._unrelieved = operation.ended(Outcome.DONE)
                self._close(self._unrelieved)
            return
        plugging = isinstance(self._in_flight, Plug)
        deadline_s = self._deadlines.of(awaited(operation, plugging=plugging))
        if self._patience.waited_s <= deadline_s:
            return
        if self._in_flight is not None:
            sentence = unanswered(self._view.named, operation, deadline_s)
            self._setbacks.blame(operation.direction, Condition.STUCK, sentence)
        else:
            detail = stuck(self._view.named, operation, online, deadline_s, self._last_error)
            self._give_up(operation, Outcome.STUCK, detail, now_s)

    def _give_up(self, operation: Operation, outcome: Outcome, detail: str, now_s: float) -> None:
        self._setbacks.took(operation, outcome, detail, now_s)
        if operation.accepted_s is not None or outcome is Outcome.STUCK:
            self.last_change_s = now_s
        self._close(operation.ended(outcome, detail))

    def _close(self, operation: Operation) -> None:
        self._closed.append(operation)
        self.operation, self._unheard = None, False
