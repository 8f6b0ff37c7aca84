"""The verbs ``pause``, ``resume`` and ``set`` of the control socket: an administrator's orders.

A request names a domain (its name, its UUID, or as `autoscaler list` has it) with ``domain``, or every one
with ``"all": true``; ``for_s`` is how long the order is to stand. Which domains there are is looked up in the
newest snapshot, on the socket's thread; the order itself is taken on the controller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from autoscaler.core.condition import Condition, raising
from autoscaler.core.orders import EVERY, Order, OrderKind
from autoscaler.errors import AutoscalerError, JournalUnavailable
from autoscaler.service.describe import order_of
from autoscaler.service.order_names import Known, known_domains, picked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.backends.local.peer import Peer
    from autoscaler.core.model import DomainId
    from autoscaler.ports import Clock
    from autoscaler.service.control import Verb
    from autoscaler.service.snapshot import Snapshot

    Request = Mapping[str, object]

_SHORTEST_S, _LONGEST_S = 1.0, 366 * 86400.0
_UNRECORDED = (
    "this is in force and could not be written to the journal, so that a restart of the service now would "
    "forget it: `autoscaler status` says what is wrong with the journal, and the service goes on trying"
)
_NOT_LOOKED = (
    "the service has just started and its first look at its hosts is not over yet, so nothing was changed: "
    "ask again in a few seconds"
)
_UNSEEN = "it is not seen now: this is in force whenever it is"
_STILL_PAUSED = "every domain is still paused, so nothing is changed: `autoscaler resume --all` ends that"


class OrderRefused(AutoscalerError):
    """The order makes no sense for what is there; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderVerbs:
    """The verbs, by what they need; `give` and `end` may be called from any thread."""

    newest: Callable[[], Snapshot]
    give: Callable[[Order], bool]
    """Lets an order stand; returns whether it is on record."""
    end: Callable[[DomainId, str, Peer], bool]
    """Ends the order for a domain, called so, or for `EVERY`, since somebody asks; returns whether that is on
    record."""
    clock: Clock
    recall: Callable[[str], Sequence[tuple[DomainId, str]]]
    """The domains on record that go by this UUID, name or label, each with its name.

    One that hangs is not seen, and is to be paused all the same.
    """

    def by_name(self) -> dict[str, Verb]:
        """Each verb by its name."""
        return {"pause": self.pause, "resume": self.resume, "set": self.set}

    def pause(self, request: Request, peer: Peer) -> Mapping[str, object]:
        """Begin nothing any more, for a domain or for every one.

        Raises:
            OrderRefused: with what to mend.
            AutoscalerError: nothing is known to have come of it.
        """
        known = None if _is_for_all(request) else self._picked(request)
        order = self._order(request, peer, known, OrderKind.PAUSE)
        notes = [known.alone] if known is not None and known.alone else []
        if known is not None and known.maximum is None:
            notes.append(self._unless_unlooked(_UNSEEN))
        return self._given(order, [*notes, *self._replaced(order), *self._changing(order)])

    def resume(self, request: Request, peer: Peer) -> Mapping[str, object]:
        """End what was ordered of a domain, or the pause of every one.

        Raises:
            OrderRefused: with what to mend.
            AutoscalerError: nothing is known to have come of it.
        """
        orders = {order.domain: order for order in self.newest().orders}
        if _is_for_all(request):
            domain, label = EVERY, ""
            over, none = "the pause of every domain is over", "there was no pause of every domain"
            others = [order.name for order in orders.values() if order.domain != EVERY]
            notes = [f"orders of their own still stand for {', '.join(others)}"] if others else []
        else:
            known = self._picked(request)
            domain, label = known.id, known.label
            effect = orders[domain].effect if domain in orders else ""
            over, none = f"domain {label!r} is no longer {effect}", f"domain {label!r} was under no order"
            notes = [_STILL_PAUSED] if EVERY in orders else []
        recorded = self.end(domain, label, peer)
        sentence = over if domain in orders else f"{none}: nothing has changed"
        return _answer(sentence, notes, recorded=recorded, order=None)

    def set(self, request: Request, peer: Peer) -> Mapping[str, object]:
        """Bring a domain to a count and hold it there for a time.

        Raises:
            OrderRefused: with what to mend.
            AutoscalerError: nothing is known to have come of it.
        """
        known = self._picked(request)
        vcpus = request.get("vcpus")
        if not isinstance(vcpus, int) or isinstance(vcpus, bool) or vcpus < 1:
            raise OrderRefused("'vcpus' is a whole number of at least 1")
        if known.bounds is None or known.maximum is None:
            absent = self._unless_unlooked(
                f"domain {known.label!r} is not seen to run: start it, or see `autoscaler status`"
            )
            raise OrderRefused(known.alone or absent)
        if vcpus > known.maximum:
            raise OrderRefused(
                f"domain {known.label!r} cannot have {vcpus} vCPUs, its maximum is {known.maximum}: raise it "
                f"by {raising(known.named, vcpus)}, then stop and start it"
            )
        if request.get("for_s") is None:
            raise OrderRefused("a count is held for a time: say for how long")
        order = self._order(request, peer, known, OrderKind.SET, vcpus=vcpus)
        notes = [_STILL_PAUSED] if any(order.domain == EVERY for order in self.newest().orders) else []
        lower, upper = known.bounds
        if not lower <= vcpus <= upper:
            notes.append(
                f"that is outside the bounds of its policy, {lower} to {upper}, which wait meanwhile"
            )
        return self._given(order, [*self._replaced(order), *notes, *self._in_the_way(known.id)])

    def _picked(self, request: Request) -> Known:
        wanted = request.get("domain")
        if not isinstance(wanted, str) or not wanted:
            raise OrderRefused("an order names one domain, or all of them")
        try:
            return picked(known_domains(self.newest()), wanted, self._recalled)
        except ValueError as error:
            raise OrderRefused(self._unless_unlooked(str(error))) from None

    def _recalled(self, wanted: str) -> list[Known]:
        try:
            return [Known(id=domain, name=name, label=name) for domain, name in self.recall(wanted)]
        except JournalUnavailable:
            return []

    def _unless_unlooked(self, absent: str) -> str:
        """Why a domain is not there, or that nobody can know yet: the service has just started."""
        newest = self.newest()
        looked = newest.tick and all(host.heard or host.trouble is not None for host in newest.hosts)
        return absent if looked else _NOT_LOOKED

    def _order(
        self, request: Request, peer: Peer, known: Known | None, kind: OrderKind, *, vcpus: int | None = None
    ) -> Order:
        for_s = request.get("for_s")
        if for_s is not None and not _is_span(for_s):
            raise OrderRefused("'for_s' is a number of seconds, from 1 to 366 days")
        wall_s = self.clock.wall_s()
        return Order(
            domain=EVERY if known is None else known.id,
            name="" if known is None else known.label,
            kind=kind,
            vcpus=vcpus,
            by_uid=peer.uid,
            at_wall_s=wall_s,
            until_wall_s=None if for_s is None else wall_s + for_s,
        )

    def _in_the_way(self, domain: DomainId) -> list[str]:
        """Why the guest cannot be brought anywhere now."""
        blind = (Condition.NO_SAMPLE, Condition.UNCONFIRMED)
        there = (known for known in self.newest().domains if known.view.id == domain)
        return [known.conditions[name] for known in there for name in blind if name in known.conditions]

    def _replaced(self, order: Order) -> list[str]:
        before = next((known for known in self.newest().orders if known.domain == order.domain), None)
        return [] if before is None else [f"before, it was {before}"]

    def _changing(self, order: Order) -> list[str]:
        """What goes on although nothing more is begun."""
        changing = [
            domain.label
            for domain in self.newest().domains
            if domain.operation is not None
            and not domain.operation.settled
            and order.domain in {EVERY, domain.view.id}
        ]
        if not changing:
            return []
        return [f"the change under way ends first, as it is verified: {', '.join(changing)}"]

    def _given(self, order: Order, notes: list[str]) -> Mapping[str, object]:
        return _answer(order.sentence, notes, recorded=self.give(order), order=order)


def _is_for_all(request: Request) -> bool:
    if request.get("all") is True and request.get("domain") is not None:
        raise OrderRefused("an order names one domain, or all of them, and not both")
    return request.get("all") is True


def _is_span(value: object) -> TypeGuard[float]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    # Compared as it is: a whole number of hundreds of digits is no float. NaN is in no range.
    return _SHORTEST_S <= value <= _LONGEST_S


def _answer(sentence: str, notes: list[str], *, recorded: bool, order: Order | None) -> Mapping[str, object]:
    """What whoever gave the order is told, as plain JSON values."""
    return {
        "sentence": sentence,
        "notes": notes if recorded else [*notes, _UNRECORDED],
        "recorded": recorded,
        "order": None if order is None else order_of(order),
    }
