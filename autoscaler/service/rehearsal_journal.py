"""A journal that remembers why a rehearsal's domains moved, and nothing else.

Invariant: every decision that acts is remembered, in order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainId
    from autoscaler.core.operation import Operation
    from autoscaler.core.orders import Order
    from autoscaler.ports import Kept
    from autoscaler.replay.circumstances import Lag


class RehearsalJournal:
    """The record of one rehearsal, as of a host whose changes have been watched for a while."""

    def __init__(self, lag: Lag) -> None:
        self._lag = lag
        self._newest = 0
        self._moved: defaultdict[DomainId, list[tuple[float, str]]] = defaultdict(list)
        """When moves were decided, and why."""

    def why(self, domain: DomainId, at_s: float) -> str:
        """The reason of the last move of a domain that was decided by then; empty: none was."""
        moved = self._moved.get(domain, [])
        last = bisect_right(moved, at_s, key=lambda move: move[0])
        return moved[last - 1][1] if last else ""

    def decided(self, decision: Decision, *, wall_s: float, digest: str) -> int:  # noqa: ARG002 - the port's
        """Remember a decision that moves its domain."""
        self._newest += 1
        if decision.moves:
            self._moved[decision.domain].append((decision.at_s, str(decision.reason)))
        return self._newest

    def ended(self, operation: Operation) -> None:
        """What came of it is in the course."""

    def ordered(self, order: Order) -> None:
        """Nobody orders anything in a rehearsal."""
        raise AssertionError(order)

    def order_ended(self, domain: DomainId) -> None:
        """Nobody orders anything in a rehearsal."""
        raise AssertionError(domain)

    def orders(self) -> Sequence[Order]:
        """None."""
        return ()

    def keep(
        self,
        domain: DomainId,
        learned: Callable[[], Mapping[str, object]],
        *,
        wall_s: float,
        at_once: bool = False,
    ) -> None:
        """Nothing is taken up again after a rehearsal."""

    def kept(self, domain: DomainId) -> Kept | None:  # noqa: ARG002 - the port's
        """Every domain is new."""
        return None

    def growths_s(self, host: str, most: int) -> Sequence[float]:  # noqa: ARG002 - the port's
        """As many growths as asked for, spread as those of this lag are."""
        return [self._lag.plugged.at((number + 0.5) / most) for number in range(most)]

    def changes(
        self,
        domain: DomainId,  # noqa: ARG002 - the port's, as the rest
        *,
        now_s: float,  # noqa: ARG002
        wall_s: float,  # noqa: ARG002
        within_s: float,  # noqa: ARG002
    ) -> Sequence[Operation]:
        """None before the rehearsal began."""
        return ()

    def flush(self) -> None:
        """Nothing goes to a disk."""
