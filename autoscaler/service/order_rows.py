"""Administrators' orders as rows of the journal's table `orders`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.model import DomainId
from autoscaler.core.orders import EVERY, Order, OrderKind
from autoscaler.service.journal_damage import require_whole_orders

if TYPE_CHECKING:
    import sqlite3

_COLUMNS = "host, uuid, domain, kind, vcpus, by_uid, at_wall_s, until_wall_s"
_END_OF_DATES_S = 253_402_300_800.0
"""The first moment that no date of four digits for the year names."""
_UIDS = range(1 << 32)


def write_order(db: sqlite3.Connection, order: Order) -> None:
    """Put an order in place of an earlier one for the same domain."""
    db.execute(
        f"INSERT OR REPLACE INTO orders ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - own names
        (
            order.domain.host,
            order.domain.uuid,
            order.name,
            order.kind,
            order.vcpus,
            order.by_uid,
            order.at_wall_s,
            order.until_wall_s,
        ),
    )


def delete_order(db: sqlite3.Connection, domain: DomainId) -> None:
    """Take the order for a domain out, if there is one."""
    db.execute("DELETE FROM orders WHERE host = ? AND uuid = ?", (domain.host, domain.uuid))


def read_orders(db: sqlite3.Connection) -> list[Order]:
    """Every order.

    Raises:
        ValueError: one of them is none that could have been given.
    """
    require_whole_orders(db)
    orders = [
        Order(
            domain=DomainId(host, uuid),
            name=name,
            kind=OrderKind(kind),
            vcpus=vcpus,
            by_uid=by_uid,
            at_wall_s=at_wall_s,
            until_wall_s=until_wall_s,
        )
        for host, uuid, name, kind, vcpus, by_uid, at_wall_s, until_wall_s in db.execute(
            f"SELECT {_COLUMNS} FROM orders"  # noqa: S608 - own names
        )
    ]
    for order in orders:
        if (fault := _fault(order)) is not None:
            raise ValueError(fault)
    return orders


def _fault(order: Order) -> str | None:
    """Why nobody can have given this order; None: it may have been given."""
    if order.domain != EVERY and not all((*order.domain, order.name)):
        return "one is for no domain"
    if order.pauses and order.vcpus is not None:
        return f"a pause has {order.vcpus} vCPUs"
    if not order.pauses and (order.domain == EVERY or order.vcpus is None or order.vcpus < 1):
        return f"a count of {order.vcpus} vCPUs is ordered"
    if not 0.0 <= order.at_wall_s < _END_OF_DATES_S:
        return f"one was given {order.at_wall_s:g} s after the epoch"
    if order.until_wall_s is not None and not order.at_wall_s < order.until_wall_s < _END_OF_DATES_S:
        return f"one ends {order.until_wall_s:g} s after the epoch, given {order.at_wall_s:g} s after it"
    return None if order.by_uid in _UIDS else f"one is by uid {order.by_uid}"
