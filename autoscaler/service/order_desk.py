"""Takes what administrators ask of the controller to its thread, and waits there for the answer.

Invariant: an order is in the audit log before it stands, as is the end of one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from autoscaler.service import audit_entries
from autoscaler.service.control import on_controller

if TYPE_CHECKING:
    from autoscaler.backends.local.peer import Peer
    from autoscaler.core.model import DomainId
    from autoscaler.core.orders import Order
    from autoscaler.core.policy import PolicySet
    from autoscaler.service.audit_log import AuditLog
    from autoscaler.service.controller import Controller
    from autoscaler.service.inbox import Inbox
    from autoscaler.service.taped import TapedController

_PATIENCE_S = 10.0


class OrderDesk:
    """Called on the threads of the control socket; each call raises what `on_controller` does."""

    def __init__(self, inbox: Inbox, controller: Controller | TapedController, audit: AuditLog) -> None:
        self._inbox = inbox
        self._controller = controller
        self._audit = audit

    def plan(self, policies: PolicySet) -> list[dict[str, object]]:
        """What the controller would do under other policies."""
        return on_controller(self._inbox, partial(self._controller.plan, policies), _PATIENCE_S)

    def give(self, order: Order) -> bool:
        """Let an administrator's order stand; returns whether it is on record in the journal."""

        def give() -> bool:
            self._audit.note(audit_entries.ordered(order))
            return self._controller.give(order)

        return on_controller(self._inbox, give, _PATIENCE_S)

    def end(self, domain: DomainId, name: str, peer: Peer) -> bool:
        """Let the order for a domain, or for every one, stand no more; returns whether that is on record."""

        def end() -> bool:
            self._audit.note(audit_entries.resumed(domain, name, str(peer)))
            return self._controller.end_order(domain)

        return on_controller(self._inbox, end, _PATIENCE_S)
