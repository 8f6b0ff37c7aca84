"""The administrators' orders as the service keeps them: in force at once, on record as soon as that can be.

Invariants: an order that could not be recorded stands all the same, and is tried again until it is on record;
one that is on record stands after a restart, unless its time was over by then.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from autoscaler.core.orders import EVERY, Order, Orders

if TYPE_CHECKING:
    from collections.abc import Collection

    from autoscaler.core.model import DomainId
    from autoscaler.ports import Clock
    from autoscaler.service.recorder import Recorder

_log = logging.getLogger("autoscaler")


class OrderBook:
    """Every order; changed on the controller's thread alone."""

    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        """Take up what is on record.

        Raises:
            JournalUnavailable: it cannot be read.
        """
        self._recorder = recorder
        self._clock = clock
        self._orders = Orders(recorder.orders())
        self._unrecorded: set[DomainId] = set()
        """Of whom the journal does not say what stands."""
        self.settle()
        for order in self._orders:
            _log.info("%s", order.sentence)

    @property
    def standing(self) -> tuple[Order, ...]:
        """Those whose time is not over."""
        wall_s = self._clock.wall_s()
        return tuple(order for order in self._orders if order.stands(wall_s))

    def of(self, domain: DomainId) -> Order | None:
        """The order that a domain is under now; None: there is none."""
        # Asked of every domain at every tick, and nearly always there is no order at all.
        return self._orders.of(domain, self._clock.wall_s()) if self._orders else None

    def give(self, order: Order) -> bool:
        """Let an order stand; returns whether it is on record."""
        self._orders.give(order)
        _log.warning("%s", order.sentence)
        return self._record(order.domain)

    def end(self, domain: DomainId) -> bool:
        """Let the order for a domain stand no more; returns whether that is on record."""
        order = self._orders.own(domain)
        if order is not None:
            self._orders.end(domain)
            _log.warning("%s: no longer %s", _called(order), order.effect)
        return self._record(domain)

    def follow(self, present: Collection[DomainId]) -> None:
        """Let the order for a domain go with it to another host of this service; `present`: what runs now.

        A domain that is on both, as while it migrates, is under it where it was given.
        """
        for order in tuple(self._orders):
            if order.domain == EVERY or order.domain in present:
                continue
            there = [domain for domain in present if domain.uuid == order.domain.uuid]
            if len(there) == 1 and self._orders.own(there[0]) is None:
                _log.warning("%s: still %s, now on %s", _called(order), order, there[0].host)
                self._orders.end(order.domain)
                self._orders.give(replace(order, domain=there[0]))
                self._record(there[0])
                self._record(order.domain)

    def settle(self) -> None:
        """Drop what is over, and record what could not be recorded before."""
        for order in self._orders.expire(self._clock.wall_s()):
            _log.info("%s: its time to be %s is over", _called(order), order)
            self._unrecorded.add(order.domain)
        for domain in tuple(self._unrecorded):
            self._record(domain)

    def _record(self, domain: DomainId) -> bool:
        order = self._orders.own(domain)
        recorded = self._recorder.order_ended(domain) if order is None else self._recorder.ordered(order)
        if recorded:
            self._unrecorded.discard(domain)
        else:
            self._unrecorded.add(domain)
        return recorded


def _called(order: Order) -> str:
    return "every domain" if order.domain == EVERY else order.name
