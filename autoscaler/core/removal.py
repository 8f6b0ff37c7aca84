"""The removal of one domain's vCPU that is under way: asked for, waited for, and what it left behind.

The driver asks `next_action`, carries it out, and reports: `started`, then one of `guest_shows`, `requested`,
`unknown`, `failed`. What a tick observes comes in by `observed`.

Invariants: one slot is asked for at a time, and only after the guest said that it runs none of the vCPUs that
are to go; a removal is done when QEMU is seen without the vCPU, however late; it stands in the way of no
growth, which ends it. Where a growth finds that the guest has let a vCPU go that the hypervisor still counts,
that one is asked for once more: by the answer the hypervisor finds it gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.asked_slots import AskedSlots
from autoscaler.core.backoff import AskingAgain
from autoscaler.core.condition import (
    Condition,
    few_descriptors,
    in_use,
    kept_back,
    unknown,
    unplug_unanswered,
)
from autoscaler.core.deadlines import Deadlines, Patience, Stage
from autoscaler.core.left_behind import LeftBehind
from autoscaler.core.operation import Action, LookAtGuest, Operation, Outcome, Requested, Unplug, Wait
from autoscaler.core.reason import Reason
from autoscaler.core.slot_setbacks import REMEMBERED, SlotSetbacks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.core.acpi import SlotReport
    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainView, GuestVcpus

FULL_RATIO = 0.8
"""Above this share of the file descriptors that its QEMU may have nothing more is unplugged."""
_AGAIN_S, _AGAIN_MAX_S = 1.0, 8.0
"""Pauses before the guest or the hypervisor is asked again that gave no answer."""


class Removal:
    """One domain's removals: the one under way, and what the last ones left behind."""

    def __init__(self, view: DomainView, deadlines: Deadlines) -> None:
        self.operation: Operation | None = None
        """The removal under way."""
        self.last_change_s: float | None = None
        """When the last one ended that was asked for."""
        self._asked = AskedSlots(view)
        self._view = view
        self._deadlines = deadlines
        self._closed: list[Operation] = []
        self._in_flight: Action | None = None
        self._slot = 0
        self._was_asked = False
        """Whether the slot had been asked for before this operation."""
        self._again = AskingAgain(_AGAIN_S, _AGAIN_MAX_S)
        self._patience = Patience()
        self._unknown_since_s: float | None = None
        self._setbacks = SlotSetbacks(view, deadlines)
        self._left_behind = LeftBehind()
        self._last_error = ""

    @property
    def at_rest(self) -> bool:
        """Whether there is nothing to do, nor to hand over."""
        return self.operation is None and not (self._closed or self._asked.once_more)

    @property
    def conditions(self) -> Mapping[Condition, str]:
        """What the last removals left behind, and what keeps further ones from being asked for."""
        found = self._setbacks.conditions
        if self.operation is not None and self._unknown_since_s is not None:
            found[Condition.UNKNOWN] = unknown(self._view.named)
        descriptors = self._view.descriptors
        if descriptors is not None and descriptors.open > FULL_RATIO * descriptors.limit:
            found[Condition.FEW_DESCRIPTORS] = few_descriptors(self._view.name, descriptors)
        return found

    def obstacle(self, now_s: float) -> Reason | None:
        """Why no removal can begin now; None: one can."""
        if self.operation is not None or self._in_flight is not None or self._left_behind.open:
            return Reason.IN_PROGRESS
        if Condition.FEW_DESCRIPTORS in self.conditions:
            return Reason.BACK_OFF
        return self._setbacks.obstacle(self._asked.highest, now_s)

    def inherit(self, operation: Operation, now_s: float) -> None:
        """Know of a removal that was begun before this state was; to be told of all, the oldest first.

        A guest that did not give the vCPU back then may still do so, and is asked again as late as it would
        have been.
        """
        if operation.outcome in {None, Outcome.ABANDONED}:
            self._left_behind.add(operation, now_s)
            self.last_change_s = operation.requested_s
        self.last_change_s = operation.gone_s or operation.accepted_s or self.last_change_s
        if operation.outcome is not Outcome.DENIED:
            self._asked.inherit(operation.from_vcpus, gone=operation.gone_s is not None)
        if operation.outcome in REMEMBERED and self._view.plugged == operation.from_vcpus:
            last_s = operation.accepted_s or operation.requested_s
            self._setbacks.note(self._asked.highest, operation.outcome, last_s)

    def begin(self, decision: Decision, decision_id: int, now_s: float) -> Operation:
        """Start the removal that `decision` asks for."""
        assert decision.act, decision
        assert decision.unplug_to is not None, decision
        assert self.operation is None, self.operation
        self._slot = self._asked.highest
        self._unknown_since_s, self._last_error = None, ""
        self._again.begin(now_s)
        self._patience.begin(now_s)
        self._closed += self._left_behind.overtake()
        self.operation = Operation(
            decision_id=decision_id,
            from_vcpus=decision.plugged,
            to_vcpus=decision.unplug_to,
            reason=decision.reason,
            requested_s=now_s,
            unplugs=True,
        )
        return self.operation

    def next_action(self, now_s: float) -> Action | Wait | None:
        """What to do now; a time to come back at; or None: nothing before the next observation."""
        operation = self.operation
        if self._in_flight is not None or self._patience.held:
            return None
        if operation is None:
            plugged = self._view.plugged
            return Unplug(expect=plugged, target=plugged - 1) if self._asked.once_more else None
        if now_s < self._again.not_before_s:
            return Wait(until_s=self._again.not_before_s)
        if operation.offlined_s is None:
            return LookAtGuest()
        if operation.accepted_s is None and self._unknown_since_s is None:
            return Unplug(expect=operation.from_vcpus, target=operation.to_vcpus)
        return None

    def started(self, action: Action) -> None:
        """The driver has handed `action` out."""
        assert self._in_flight is None, self._in_flight
        self._in_flight = action
        if isinstance(action, Unplug):
            if self.operation is None:
                self._slot = self._asked.highest
            # Some hypervisors wait for the guest before they answer: it may follow meanwhile.
            self._was_asked = self._slot in self._asked
            self._asked.add(self._slot)

    def guest_shows(self, vcpus: GuestVcpus, now_s: float) -> None:
        """The `LookAtGuest` in flight came back."""
        self._in_flight, self._last_error = None, ""
        operation = self.operation
        if operation is None:
            return
        if vcpus.online > operation.to_vcpus:
            detail = f"the guest of domain {self._view.name!r} runs {vcpus.online} vCPUs now"
            self._end(operation, Outcome.CONFLICT, detail, now_s)
        elif (
            self._slot in vcpus.online_ids
            and frozenset(each.logical_id for each in vcpus.vcpus) == self._view.slots
        ):
            # Only then the guest's own numbers are surely those of the slots.
            self._end(operation, Outcome.FAILED, in_use(self._view.named, self._slot), now_s)
        else:
            self.operation = operation.offlined(now_s)

    def growth_finds(self, listed: int) -> None:
        """A growth under way found that the guest lists so many vCPUs."""
        self._asked.growth_finds(listed)

    def requested(self, answer: Requested, now_s: float) -> None:
        """The hypervisor took the `Unplug` in flight."""
        self._in_flight, self._last_error = None, ""
        if answer.slot is not None and answer.slot != self._slot:
            self._not_asked()
            self._slot = answer.slot
            self._asked.add(answer.slot)
        if self.operation is not None:
            self.operation = self.operation.accepted(now_s)
            self._setbacks.pass_over()
            self._patience.begin(now_s)

    def unknown(self, detail: str, now_s: float, *, lost: bool) -> None:
        """The action in flight did not come to an answer; see `Actuation.unknown`."""
        if lost:
            self._unknown_since_s = now_s
        self._in_flight, self._last_error = None, detail
        self._again.put_off(now_s)

    def failed(self, outcome: Outcome, detail: str, now_s: float) -> None:
        """The action in flight was refused or went wrong."""
        if isinstance(self._in_flight, Unplug) and outcome in {Outcome.DENIED, Outcome.CONFLICT}:
            self._not_asked()  # That is certain; of what failed otherwise it is not.
        self._in_flight = None
        if self.operation is not None:
            self._end(self.operation, outcome, detail, now_s)

    def observed(self, view: DomainView, now_s: float, *, held: bool = False) -> int:
        """Take in what a tick read; returns how many of the vCPUs that were asked for have gone since.

        `held`: as for a growth, see `Actuation.observed`.
        """
        self._view = view
        self._patience.look(now_s, held=held)
        if held and self.operation is not None:
            self.operation = self.operation.delayed()
        self._closed += self._left_behind.look(view.plugged, now_s, held=held)
        gone = self._asked.look(view)
        for slot in gone:
            self._setbacks.forgive(slot, now_s)
        self._setbacks.look(view)
        if self.operation is not None:
            self._follow(self.operation, view, now_s)
        return len(gone)

    def content(self) -> None:
        """The domain uses all that is plugged: what went wrong when one was to go is of no concern now."""
        self._setbacks.pass_over()

    def explains(self, before: frozenset[int] | None, after: frozenset[int]) -> bool:
        """Whether the guest runs other vCPUs than it did because it was asked to give one back."""
        return before is not None and self._asked.explain_online(before, after)

    def _follow(self, operation: Operation, view: DomainView, now_s: float) -> None:
        """See how far the removal under way has come."""
        if view.plugged <= operation.to_vcpus and view.at_s >= operation.requested_s:
            self.last_change_s = now_s
            report = view.reports.last.get(self._slot)
            if report is not None and not report.refuses:
                self._hear(operation, report, now_s)
            self._close((self.operation or operation).gone(now_s))
        elif self._in_flight is None:
            self._hear(operation, view.reports.last.get(self._slot), now_s)
            if self._unknown_since_s is not None and view.at_s > self._unknown_since_s:
                self._unknown_since_s = None  # It is there: asking again does no harm.
        if self.operation is not None:
            self._expire(self.operation, now_s)

    def give_way(self) -> None:
        """A growth begins: the vCPU is needed. What was asked of the guest cannot be taken back."""
        self._asked.growth_begins()
        if self.operation is not None:
            self._close(self.operation.ended(Outcome.SUPERSEDED))
        self._closed += self._left_behind.overtake()

    def abandon(self, why: str) -> None:
        """Nobody will see how the removal goes on."""
        if self.operation is not None:
            self._close(self.operation.ended(Outcome.ABANDONED, why))
        self._closed += self._left_behind.abandon(why)

    def take_closed(self) -> list[Operation]:
        """Hand over the removals that ended since the last call."""
        closed, self._closed = self._closed, []
        return closed

    def _not_asked(self) -> None:
        """The slot that was to be asked for was not, this time."""
        if not self._was_asked:
            self._asked.discard(self._slot)

    def _hear(self, operation: Operation, report: SlotReport | None, now_s: float) -> None:
        """Take in what the guest's firmware said since it was to be asked."""
        asked_s = operation.offlined_s
        if report is None or asked_s is None or report.at_s < asked_s or not report.of_removal:
            return
        if report.refuses:
            self._end(operation, Outcome.REFUSED, report.meaning, now_s)
        else:
            if operation.accepted_s is None:
                self._patience.begin(now_s)
            self.operation = operation.acknowledged(max(report.at_s, operation.accepted_s or report.at_s))

    def _expire(self, operation: Operation, now_s: float) -> None:
        deadline_s = self._deadlines.of(Stage.OFFLINE if operation.accepted_s is None else Stage.GONE)
        if self._patience.waited_s <= deadline_s:
            return
        if self._in_flight is not None:
            self._setbacks.blame(unplug_unanswered(self._view.named, deadline_s))
        else:
            detail = kept_back(self._view.name, self._slot, deadline_s, self._last_error)
            self._end(operation, Outcome.STUCK, detail, now_s)

    def _end(self, operation: Operation, outcome: Outcome, detail: str, now_s: float) -> None:
        """End a removal that did not come true, and remember that for its slot."""
        detail = self._setbacks.took(self._slot, operation, outcome, detail, now_s)
        if operation.accepted_s is not None:
            self.last_change_s = now_s
        self._close(operation.ended(outcome, detail))

    def _close(self, operation: Operation) -> None:
        self._closed.append(operation)
        self.operation = None
