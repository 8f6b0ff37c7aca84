"""The snapshot as plain JSON values: the one shape that the HTTP API and every ``--output json`` share."""

from __future__ import annotations

from dataclasses import asdict
from operator import itemgetter
from typing import TYPE_CHECKING

from autoscaler.core.binding import sentence_of
from autoscaler.core.condition import Urgency
from autoscaler.core.model import CpuSource
from autoscaler.core.orders import EVERY
from autoscaler.core.owner import left_alone
from autoscaler.core.policy import OPT_OUT, opted_out
from autoscaler.service.decision_record import counts_of
from autoscaler.service.metrics import vcpu_counts
from autoscaler.service.narrator import idle_sentence
from autoscaler.service.promise import promise_of

if TYPE_CHECKING:
    from autoscaler.core.model import DomainView
    from autoscaler.core.operation import Operation
    from autoscaler.core.orders import Order
    from autoscaler.service.snapshot import DomainSnapshot, Snapshot


def status_of(snapshot: Snapshot) -> dict[str, object]:
    """The service as a whole: hosts, counts, troubles."""
    idle = idle_sentence(snapshot)
    ranks = ((domain.urgency, domain.label) for domain in snapshot.domains)
    ranked = sorted(ranks, key=itemgetter(0))
    return {
        "at_wall_s": snapshot.wall_s,
        "ticks": snapshot.tick,
        "policies": snapshot.policies,
        "policy_digest": snapshot.policy_digest,
        "domains": len(snapshot.domains),
        "ungoverned": [view.name for view in snapshot.ungoverned if not _switched_off(view, snapshot)],
        "switched_off": [
            view.name
            for view in snapshot.ungoverned
            if view.claimed_by is None and _switched_off(view, snapshot)
        ],
        "left_alone": left_alone(snapshot.ungoverned),
        "in_trouble": [label for rank, label in ranked if rank.troubled],
        "at_risk": [label for rank, label in ranked if rank is Urgency.AT_RISK],
        "orders": [order_of(order) for order in snapshot.orders],
        "hosts": [
            {"label": host.label, "connected": host.connected, "trouble": host.trouble}
            | {"unseen": dict(host.unseen)}
            | {"shares": None if host.shares is None else asdict(host.shares)}
            for host in snapshot.hosts
        ],
        "troubles": dict(snapshot.troubles) | ({} if idle is None else {"idle": idle}),
    }


def _switched_off(view: DomainView, snapshot: Snapshot) -> bool:
    """Whether somebody wants a domain to be left alone."""
    return view.claimed_by is not None or opted_out(view.labels) or view.id in snapshot.off


def why_ungoverned(view: DomainView, snapshot: Snapshot) -> str:
    """Why no policy governs a domain that runs, and what to do."""
    claimed = left_alone((view,))
    if claimed:
        return next(iter(claimed.values()))
    if opted_out(view.labels):
        return (
            f"domain {view.name!r} runs, and its owner keeps it out by the label {OPT_OUT[0]!r}: "
            "take that out of its metadata to have it governed"
        )
    if view.id in snapshot.off:
        return (
            f"domain {view.name!r} runs, and its policy {snapshot.off[view.id]} has the mode off: "
            "give that policy another mode to have it governed"
        )
    return f"domain {view.name!r} runs, and no policy governs it: add its name to a policy's match"


def domain_of(domain: DomainSnapshot) -> dict[str, object]:
    """One governed domain, whole."""
    decision, load = domain.decision, domain.load
    return {
        "name": domain.label,
        "uuid": domain.view.id.uuid,
        "host": domain.view.id.host,
        "state": domain.view.state,
        "policy": domain.policy.name,
        "policy_source": domain.policy.source,
        "mode": domain.policy.mode,
        "vcpus": {"online": None} | vcpu_counts(domain),
        "slo": {"promise": promise_of(domain.policy.sla)} | asdict(domain.slo),
        "cpu_source": domain.source,
        "last_sample_wall_s": domain.last_sample_wall_s,
        "load": None
        if load is None
        else {
            "busy_vcpus": load.busy_vcpus,
            "demand_vcpus": load.demand_vcpus,
            "utilization_ratio": load.utilization_ratio,
            "steal_ratio": load.steal_ratio,
            "span_s": load.span_s,
            "host_vcpus": load.host_vcpus,
        },
        "decision": None
        if decision is None
        else {
            "verdict": decision.verdict,
            "mode": decision.mode,
            "schedules": list(decision.schedules),
            "reason": decision.reason,
            "sentence": sentence_of(decision),
            "act": decision.act,
            **{key: count for key, count in counts_of(decision).items() if key != "online"},
            "clamps": [
                {"reason": clamp.reason, "before": clamp.before, "after": clamp.after}
                for clamp in decision.clamps
            ],
        },
        "operation": None if domain.operation is None else operation_of(domain.operation),
        "last_operation": None if domain.last_operation is None else operation_of(domain.last_operation),
        "order": None if domain.order is None else order_of(domain.order),
        "removal": None if domain.removal is None else operation_of(domain.removal),
        "last_removal": None if domain.last_removal is None else operation_of(domain.last_removal),
        "descriptors": None if domain.view.descriptors is None else asdict(domain.view.descriptors),
        "conditions": dict(domain.conditions),
    }


def order_of(order: Order) -> dict[str, object]:
    """One order of an administrator; of one for every domain, the domain's name, UUID and host are None."""
    of_one = order.domain != EVERY
    return {
        "domain": order.name if of_one else None,
        "uuid": order.domain.uuid if of_one else None,
        "host": order.domain.host if of_one else None,
        "kind": order.kind,
        "vcpus": order.vcpus,
        "by_uid": order.by_uid,
        "at_wall_s": order.at_wall_s,
        "until_wall_s": order.until_wall_s,
        "sentence": order.sentence,
    }


def slots_of(domain: DomainSnapshot) -> list[dict[str, object]]:
    """The domain's slots for vCPUs, one entry each; None stands for what is not known.

    A guest numbers its vCPUs itself. Filled lowest first, as the service fills them, its numbers are those of
    the slots.
    """
    view, online = domain.view, domain.online_ids
    known_online = None if domain.source is CpuSource.HOST else online
    found: list[dict[str, object]] = []
    for slot in range(view.maximum):
        plugged, report = None if view.slots is None else slot in view.slots, view.reports.last.get(slot)
        found.append(
            {
                "slot": slot,
                "plugged": plugged,
                "online": None if known_online is None else slot in known_online and plugged is not False,
                "report": None
                if report is None
                else {
                    "source": report.source,
                    "status": report.status,
                    "meaning": report.meaning,
                    "ago_s": round(max(0.0, view.at_s - report.at_s), 1),
                },
            }
        )
    return found


def operation_of(operation: Operation) -> dict[str, object]:
    """One change, with the seconds from its request to each stage reached."""
    return {
        "decision_id": operation.decision_id,
        "direction": operation.direction,
        "from_vcpus": operation.from_vcpus,
        "to_vcpus": operation.to_vcpus,
        "reason": operation.reason,
        "stages_s": operation.stages_s(),
        "outcome": operation.outcome,
        "detail": operation.detail,
    }
