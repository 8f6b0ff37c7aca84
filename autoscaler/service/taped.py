"""The controller and its journal with a tape running: everything that they are told is on it; see `tape`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from autoscaler.errors import JournalUnavailable
from autoscaler.service.tape import essence
from autoscaler.service.tape_values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainId
    from autoscaler.core.operation import Operation
    from autoscaler.core.orders import Order
    from autoscaler.core.policy import PolicySet
    from autoscaler.ports import Journal, Kept
    from autoscaler.service.controller import Controller
    from autoscaler.service.tape import Tape

T = TypeVar("T")


class TapedController:
    """A controller whose calls are on the tape; see `autoscaler.service.controller.Controller`."""

    def __init__(self, controller: Controller, tape: Tape) -> None:
        self._controller = controller
        self._tape = tape

    def tick(self) -> None:
        """Begin a tick."""
        self._taped("tick", self._controller.tick)

    def look(self) -> None:
        """Begin a tick out of turn."""
        self._taped("look", self._controller.look)

    def settle(self) -> float | None:
        """Do whatever is due."""
        return self._taped("settle", self._controller.settle)

    def apply(self, policies: PolicySet) -> int:
        """Put another set of policies in force."""
        return self._taped("apply", lambda: self._controller.apply(policies), policies)

    def give(self, order: Order) -> bool:
        """Let an order stand."""
        return self._taped("give", lambda: self._controller.give(order), order)

    def end_order(self, domain: DomainId) -> bool:
        """Let an order stand no more."""
        return self._taped("end_order", lambda: self._controller.end_order(domain), domain)

    def plan(self, policies: PolicySet) -> list[dict[str, object]]:
        """What other policies would do; nothing comes of it, so it is not on the tape."""
        self._tape.paused = True
        try:
            return self._controller.plan(policies)
        finally:
            self._tape.paused = False

    def flush(self) -> None:
        """Put on the disk what waits for it."""
        self._taped("flush", self._controller.flush)

    def keep_all(self) -> None:
        """Record what was learned; the tape ends with that."""
        self._taped("keep_all", self._controller.keep_all)
        self._tape.wind()

    def _taped(self, name: str, call: Callable[[], T], *arguments: object) -> T:
        self._tape.put("call", name, *map(to_plain, arguments))
        result = call()
        self._tape.call_over()
        return result


class TapedJournal:
    """A journal whose answers are on the tape; see `autoscaler.ports.Journal`."""

    def __init__(self, journal: Journal, tape: Tape) -> None:
        self._journal = journal
        self._tape = tape

    def decided(self, decision: Decision, *, wall_s: float, digest: str) -> int:
        """Record a decision."""
        try:
            row = self._journal.decided(decision, wall_s=wall_s, digest=digest)
        except JournalUnavailable as error:
            self._tape.put("decided", to_plain(error), essence(decision))
            raise
        self._tape.put("decided", row, essence(decision))
        return row

    def ended(self, operation: Operation) -> None:
        """Record how an operation ended."""
        self._told(lambda: self._journal.ended(operation))

    def ordered(self, order: Order) -> None:
        """Record an order."""
        self._told(lambda: self._journal.ordered(order))

    def order_ended(self, domain: DomainId) -> None:
        """Record that an order stands no more."""
        self._told(lambda: self._journal.order_ended(domain))

    def orders(self) -> Sequence[Order]:
        """Every order on record."""
        return self._told(self._journal.orders)

    def keep(
        self,
        domain: DomainId,
        learned: Callable[[], Mapping[str, object]],
        *,
        wall_s: float,
        at_once: bool = False,
    ) -> None:
        """Remember what was learned of a domain."""
        self._told(lambda: self._journal.keep(domain, learned, wall_s=wall_s, at_once=at_once))

    def kept(self, domain: DomainId) -> Kept | None:
        """What was last kept of a domain."""
        return self._told(lambda: self._journal.kept(domain))

    def growths_s(self, host: str, most: int) -> Sequence[float]:
        """How long the newest growths of a host took."""
        return self._told(lambda: self._journal.growths_s(host, most))

    def changes(
        self, domain: DomainId, *, now_s: float, wall_s: float, within_s: float
    ) -> Sequence[Operation]:
        """The changes of a domain that were begun of late."""
        return self._told(
            lambda: self._journal.changes(domain, now_s=now_s, wall_s=wall_s, within_s=within_s)
        )

    def flush(self) -> None:
        """Put on disk what has only been counted: nothing is decided by whether that goes."""
        self._journal.flush()

    def _told(self, ask: Callable[[], T]) -> T:
        try:
            answer = ask()
        except JournalUnavailable as error:
            self._tape.put("told", to_plain(error))
            raise
        self._tape.put("told", to_plain(answer))
        return answer
