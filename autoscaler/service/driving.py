"""Moves begun changes on: hands out their actions, takes in what came back, and notes when to look again.

Invariants: a domain has one action out for each of its two machines at most, though the state that asked for
it may be gone; a result is taken only by the state that asked for it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from autoscaler.core.operation import Wait
from autoscaler.service.acting import carry_out, machine_of, take_in
from autoscaler.service.lanes import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager

    from autoscaler.core.domain_state import DomainState
    from autoscaler.core.model import DomainId
    from autoscaler.core.operation import Action, Answer
    from autoscaler.errors import AutoscalerError
    from autoscaler.ports import Clock
    from autoscaler.service.acting import Machine
    from autoscaler.service.fleet import Fleet
    from autoscaler.service.governed import Governed
    from autoscaler.service.instruments import Instruments
    from autoscaler.service.lanes import Submit
    from autoscaler.service.narrator import Narrator
    from autoscaler.service.recorder import Recorder


class Driving:
    """The actions of every governed domain, on the controller's thread."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        recorder: Recorder,
        clock: Clock,
        submit: Submit,
        instruments: Instruments | None,
        narrator: Narrator,
        contained: Callable[[Governed], AbstractContextManager[None]],
    ) -> None:
        """`contained`: a block in which a step of a domain is taken, and a fault kept from the others."""
        self._fleet = fleet
        self._recorder = recorder
        self._clock = clock
        self._submit = submit
        self._instruments = instruments
        self._narrator = narrator
        self._contained = contained
        self._wakes: dict[DomainId, float] = {}
        """When to look again at a domain whose guest has not followed yet."""
        self._acting: set[tuple[DomainId, type[Machine]]] = set()
        """Which machines of which domains have an action out, though the state that asked may be gone."""

    @property
    def wakes_s(self) -> Collection[float]:
        """When `wake` is due, for each domain that waits."""
        return self._wakes.values()

    def wake(self, now_s: float) -> None:
        """Drive the domains whose time has come."""
        for domain in [domain for domain, wake_s in self._wakes.items() if wake_s <= now_s]:
            governed = self._fleet.get(domain)
            assert governed is not None, domain
            with self._contained(governed):
                self.drive(governed)

    def drive(self, governed: Governed) -> None:
        """Hand out the next actions of a domain, or note when to look again."""
        state = governed.state
        domain, now_s = state.view.id, self._clock.monotonic_s()
        self._wakes.pop(domain, None)
        if _at_rest(state):
            return
        self.close_operations(governed)
        wakes_s: list[float] = []
        for machine in (state.actuation, state.removal):
            action = machine.next_action(now_s)
            if action is None:
                continue
            if isinstance(action, Wait):
                wakes_s.append(action.until_s)
            elif (hand := (domain, type(machine))) not in self._acting:
                self._acting.add(hand)
                machine.started(action)
                work = partial(carry_out, governed.host, domain, action)
                self._submit(Lane.ACT, work, partial(self._acted, governed, action), host=domain.host)
        if wakes_s:
            self._wakes[domain] = min(wakes_s)

    def close_operations(self, governed: Governed) -> None:
        """Record and tell what ended."""
        state = governed.state
        if _at_rest(state):
            return
        now_s = self._clock.monotonic_s()
        for closed in (*state.actuation.take_closed(), *state.removal.take_closed()):
            operation = replace(closed, ended_s=now_s)
            self._recorder.ended(operation)
            if self._instruments is not None:
                self._instruments.operation_ended(operation)
            governed.tally.ended(operation)
            governed.ended(operation)
            self._narrator.ended(state.view.name, operation)
            self._fleet.shares(state.view.id.host).learn(operation)

    def abandon(self, governed: Governed, why: str) -> None:
        """Nobody will see how the changes of a domain go on."""
        governed.state.actuation.abandon(why)
        governed.state.removal.abandon(why)
        self.close_operations(governed)

    def forget(self, domain: DomainId) -> None:
        """Look at a domain no more; an action that is out clears the way when it comes back."""
        self._wakes.pop(domain, None)

    def _acted(self, governed: Governed, action: Action, result: Answer | AutoscalerError) -> None:
        """Take in how an action came out; one of a domain that was dropped meanwhile only clears the way."""
        domain = governed.state.view.id
        self._acting.discard((domain, type(machine_of(governed.state, action))))
        now = self._fleet.get(domain)
        if now is None:
            return
        now.tally.acted(action, result, self._clock.monotonic_s())
        if now is governed:
            with self._contained(now):
                take_in(now.state, action, result, self._clock.monotonic_s())
        if now in self._fleet:
            with self._contained(now):
                self.drive(now)


def _at_rest(state: DomainState) -> bool:
    """Whether no change of a domain is under way, nor has one ended that was not told of."""
    return state.actuation.at_rest and state.removal.at_rest
