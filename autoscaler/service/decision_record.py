"""A decision as plain JSON values: what it was made on, in the shape in which the journal keeps it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from autoscaler.core.recommend import TargetTrace

if TYPE_CHECKING:
    from autoscaler.core.decision import Decision


def inputs_of(decision: Decision) -> dict[str, object]:
    """What a decision was made on; a part that was not there has no key."""
    inputs: dict[str, object] = {
        "lower": decision.lower,
        "upper": decision.upper,
        "schedules": list(decision.schedules),
        "held": decision.held,
        "clamps": [[clamp.reason, clamp.before, clamp.after] for clamp in decision.clamps],
        "order": decision.order,
        "granted": decision.granted,
    }
    if decision.trace is not None:
        strategy = "target" if isinstance(decision.trace, TargetTrace) else "adaptive"
        inputs["trace"] = {"strategy": strategy} | asdict(decision.trace)
    if decision.load is not None:
        load = decision.load
        inputs["load"] = {
            "source": load.source,
            "span_s": load.span_s,
            "busy_vcpus": load.busy_vcpus,
            "steal_vcpus": load.steal_vcpus,
            "demand_vcpus": load.demand_vcpus,
        } | ({} if load.host_vcpus is None else {"host_vcpus": load.host_vcpus})
    if decision.missing is not None:
        inputs["missing"] = {"reason": decision.missing.reason, "detail": decision.missing.detail}
    return inputs
