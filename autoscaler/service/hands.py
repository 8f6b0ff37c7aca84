"""Hands actions out to the workers.

Invariant: a domain's change has one action out at most, and so has its removal, though the state that asked
for it may be gone by now; neither waits for the other.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from autoscaler.core.operation import Wait
from autoscaler.service.acting import carry_out, machine_of
from autoscaler.service.lanes import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from autoscaler.core.model import DomainId
    from autoscaler.core.operation import Action, Answer
    from autoscaler.ports import AutoscalerError
    from autoscaler.service.acting import Machine
    from autoscaler.service.governed import Governed
    from autoscaler.service.lanes import Submit


class Hands:
    """Knows which actions are out."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit
        self._out: set[tuple[DomainId, type[Machine]]] = set()

    def give(
        self,
        governed: Governed,
        now_s: float,
        then: Callable[[Governed, Action, Answer | AutoscalerError], None],
    ) -> float | None:
        """Hand out what a domain wants done now; `then` is called with what came of each.

        Returns:
            When it will want more, as far as that is known.
        """
        domain, wakes_s = governed.state.view.id, list[float]()
        for machine in (governed.state.actuation, governed.state.removal):
            action, hand = machine.next_action(now_s), (domain, type(machine))
            if isinstance(action, Wait):
                wakes_s.append(action.until_s)
            elif action is not None and hand not in self._out:
                self._out.add(hand)
                machine.started(action)
                work = partial(carry_out, governed.host, domain, action)
                self._submit(Lane.ACT, work, partial(then, governed, action))
        return min(wakes_s, default=None)

    def take_back(self, governed: Governed, action: Action) -> None:
        """An action has come back."""
        self._out.discard((governed.state.view.id, type(machine_of(governed.state, action))))
