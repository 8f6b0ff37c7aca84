"""What an administrator ordered: a pause of one domain or of all, or a count that a domain is held at.

Expiries are on the wall clock, so that one which passes while the service is down has passed when it starts.

Invariants: a domain has one order of its own at most, a newer one replacing it; the pause of all goes before
it, and what a domain was ordered of its own stands again once that is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from autoscaler.core.counted import vcpus
from autoscaler.core.model import DomainId
from autoscaler.core.named import Named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EVERY = DomainId("", "")
"""Stands for every domain of every host, where an order says whom it is for."""


class OrderKind(StrEnum):
    """What is ordered."""

    PAUSE = "pause"
    """Nothing is begun."""
    SET = "set"
    """The domain goes to a count and is held there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order."""

    domain: DomainId
    """`EVERY`: the order is for all."""
    name: str
    """What the domain was called among all, when the order was given; empty for `EVERY`."""
    kind: OrderKind
    vcpus: int | None = None
    """The count of a `OrderKind.SET`; None for a pause."""
    by_uid: int
    """User id of who gave it, by the kernel's word."""
    at_wall_s: float
    until_wall_s: float | None = None
    """When it ends by itself; None: never."""

    def stands(self, wall_s: float) -> bool:
        """Whether its time is not over yet."""
        return self.until_wall_s is None or wall_s < self.until_wall_s

    @property
    def pauses(self) -> bool:
        """Whether nothing may be begun while it stands."""
        return self.kind is OrderKind.PAUSE

    @property
    def effect(self) -> str:
        """What becomes of a domain under it, part of a sentence: ``held at 2 vCPUs``."""
        return "paused" if self.vcpus is None else f"held at {vcpus(self.vcpus)}"

    def __str__(self) -> str:
        """Part of a sentence: ``paused until 2026-03-01 14:30:00 UTC by uid 0``."""
        until = "resumed" if self.until_wall_s is None else _time(self.until_wall_s)
        return f"{self.effect} until {until} by uid {self.by_uid}"

    @property
    def sentence(self) -> str:
        """What stands, and what ends it."""
        if self.domain == EVERY:
            return f"every domain is {self}: `autoscaler resume --all` ends that"
        resuming = Named(*self.domain, self.name).autoscaler("resume")
        return f"domain {self.name!r} is {self}: `{resuming}` ends that"


class Orders:
    """The orders that were given and not ended, one for each domain at most and one for all."""

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self._orders = {order.domain: order for order in orders}

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[Order]:
        """Each of them, the one for all first, the others by name."""
        return iter(sorted(self._orders.values(), key=lambda order: (order.name, order.domain)))

    def of(self, domain: DomainId, wall_s: float) -> Order | None:
        """The order that a domain is under; None: there is none."""
        for key in (EVERY, domain):
            order = self._orders.get(key)
            if order is not None and order.stands(wall_s):
                return order
        return None

    def own(self, domain: DomainId) -> Order | None:
        """The order that was given for this domain, or for `EVERY`, itself."""
        return self._orders.get(domain)

    def give(self, order: Order) -> None:
        """Let an order stand in place of an earlier one for the same."""
        self._orders[order.domain] = order

    def end(self, domain: DomainId) -> None:
        """Let the order for this domain, or for `EVERY`, stand no more."""
        self._orders.pop(domain, None)

    def expire(self, wall_s: float) -> list[Order]:
        """Drop the orders whose time is over, and return them."""
        over = [order for order in self if not order.stands(wall_s)]
        for order in over:
            del self._orders[order.domain]
        return over


def _time(wall_s: float) -> str:
    """In UTC, for it goes on record: the same decision made again elsewhere is to be told the same."""
    return f"{datetime.fromtimestamp(wall_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
