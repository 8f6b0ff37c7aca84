"""A decision as plain JSON values: what it was made on, in the shape in which the journal keeps it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from autoscaler.core.recommend import TargetTrace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.core.decision import Decision

_SEEN = "seen"


def inputs_of(decision: Decision) -> dict[str, object]:
    """What a decision was made on; a part that was not there has no key."""
    inputs: dict[str, object] = {
        "lower": decision.lower,
        "upper": decision.upper,
        "maximum": decision.maximum,
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
    if not decision.seen:
        inputs[_SEEN] = False
    return inputs


def counts_of(decision: Decision) -> dict[str, int | None]:
    """The decision's counts of vCPUs as they are shown: None for what is not known; see `as_known`."""
    counts = {
        "online": decision.online,
        "proposed": decision.proposed,
        "target": decision.target,
        "next_vcpus": decision.next_vcpus,
    }
    return as_known(counts, seen=decision.seen)


def as_known(counts: Mapping[str, int], *, seen: bool) -> dict[str, int | None]:
    """Recorded counts without those that were only reckoned with, the guest not having been seen."""
    if seen:
        return dict(counts)
    if counts["next_vcpus"] == counts["online"]:
        return dict.fromkeys(counts)
    return {**counts, "online": None}


def was_seen(inputs: Mapping[str, object]) -> bool:
    """Whether the guest had been seen when a decision was made on these inputs."""
    return inputs.get(_SEEN) is not False
