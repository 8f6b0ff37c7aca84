"""Administrators' orders as rows of the journal's table `orders`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.model import DomainId
from autoscaler.core.orders import Order, OrderKind

if TYPE_CHECKING:
    import sqlite3

_COLUMNS = "host, uuid, domain, kind, vcpus, by_uid, at_wall_s, until_wall_s"


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
        ValueError: one of them is of no kind that there is.
    """
    return [
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
