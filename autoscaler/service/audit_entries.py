"""What the lines of the audit log say, by what happened; each has who it was, and why where that is known.

A closed set of ``what``: `WHATS`. The log's own lines are made where they are written, in `audit_log`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.binding import sentence_of
from autoscaler.service.journal_rows import change_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.core.decision import Decision
    from autoscaler.core.model import DomainId
    from autoscaler.core.operation import Outcome
    from autoscaler.core.orders import Order
    from autoscaler.core.policy import PolicySet
    from autoscaler.service.policy_files import Reloaded

    Entry = Mapping[str, object]

WHATS: Mapping[str, str] = {
    "started": "the service began to work",
    "stopped": "it was told to end",
    "began": "a change of a guest is about to be asked for",
    "ended": "a change is over, however it ended",
    "policies": "policies were read",
    "ordered": "an administrator ordered something",
    "resumed": "an administrator ended an order",
    "torn": "a line before this one was cut short, by a kill or a full disk",
    "unwritable": "the log could not be written from then on, and nothing was begun",
    "dropped": "files were forgotten by age or by size",
    "lost": "the log was not as the service had left it",
}
"""Every kind of line, and what it means."""


def started(version: str, policies: PolicySet) -> Entry:
    """The service begins to work."""
    return {"what": "started", "version": version} | _policies(policies)


def stopped() -> Entry:
    """It ends as it was told to."""
    return {"what": "stopped"}


def began(row: int, decision: Decision, digest: str) -> Entry:
    """A decision is about to change a guest."""
    direction, before, after = change_of(decision)
    return {
        "what": "began",
        "who": f"order: {decision.order}" if decision.order else f"policy {decision.policy}",
        "decision_id": row,
        **_domain(decision.domain, decision.name),
        "direction": direction,
        "from_vcpus": before,
        "to_vcpus": after,
        "reason": decision.reason,
        "why": "; ".join(part for part in (sentence_of(decision), decision.granted) if part),
        "mode": decision.mode,
        "policy": decision.policy,
        "policy_digest": digest,
    }


def ended(row: int, domain: DomainId, name: str, outcome: Outcome | str, detail: str) -> Entry:
    """A change is over."""
    return {
        "what": "ended",
        "decision_id": row,
        **_domain(domain, name),
        "outcome": str(outcome),
        "why": detail,
    }


def loaded(reloaded: Reloaded, in_force: PolicySet, who: str) -> Entry:
    """Policies were read again, and are in force or have errors."""
    return {
        "what": "policies",
        "who": who,
        "why": reloaded.sentence,
        "in_force": reloaded.loaded.policy_set is not None,
        "errors": len(reloaded.loaded.errors),
        "domains": reloaded.domains,
    } | _policies(in_force)


def ordered(order: Order) -> Entry:
    """An administrator's order is to stand."""
    return {
        "what": "ordered",
        "who": f"uid {order.by_uid}",
        "kind": order.kind,
        **_domain(order.domain, order.name),
        "vcpus": order.vcpus,
        "until_wall_s": order.until_wall_s,
    }


def resumed(domain: DomainId, name: str, who: str) -> Entry:
    """An administrator's order is to stand no more."""
    return {"what": "resumed", "who": who, **_domain(domain, name)}


def _domain(domain: DomainId, name: str) -> dict[str, object]:
    """Whom it is about; all empty: every domain."""
    return {"domain": name, "uuid": domain.uuid, "host": domain.host}


def _policies(policies: PolicySet) -> dict[str, object]:
    return {"policies": len(policies.policies), "policy_digest": policies.digest}
