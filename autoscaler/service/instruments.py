"""Metrics of things that happen, counted where they happen; what *is* comes from the snapshot (metrics.py).

No label here names a domain, so that none of these series outlives one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram, Info, disable_created_metrics

from autoscaler import __version__
from autoscaler.backends.actuator.protocol import Refusal
from autoscaler.core.operation import STAGES

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from autoscaler.core.operation import Operation

PREFIX = "vcpu_autoscaler"
_STAGE_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CALL_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Instruments:
    """Every event-driven metric, registered in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.tick_duration = Histogram(
            f"{PREFIX}_tick_duration_seconds",
            "From the start of a tick to the end of its decisions, probes included.",
            buckets=_CALL_BUCKETS_S,
            registry=registry,
        )
        self.tick_lateness = Histogram(
            f"{PREFIX}_tick_lateness_seconds",
            "How much later than scheduled a tick started.",
            buckets=_CALL_BUCKETS_S,
            registry=registry,
        )
        self._interval = Gauge(
            f"{PREFIX}_tick_interval_seconds", "From one scheduled tick to the next.", registry=registry
        )
        self._ticks_missed = Counter(
            f"{PREFIX}_ticks_missed",
            "Scheduled ticks that did not run: late beyond use, or the one before was still running.",
            ["cause"],
            registry=registry,
        )
        for cause in ("late", "overrun"):
            self._ticks_missed.labels(cause)
        self._stage_duration = Histogram(
            f"{PREFIX}_scaling_stage_duration_seconds",
            "From the request of a change to each of its stages; of none that was held or cut off by a kill.",
            ["direction", "stage"],
            buckets=_STAGE_BUCKETS_S,
            registry=registry,
        )
        for direction, stages in STAGES.items():
            for stage in stages:
                self._stage_duration.labels(direction, stage)
        self._agent_requests = Histogram(
            f"{PREFIX}_guest_agent_request_duration_seconds",
            "Time of one request to a guest agent, failed ones included.",
            ["command"],
            buckets=_CALL_BUCKETS_S,
            registry=registry,
        )
        self._refusals = Counter(
            f"{PREFIX}_actuator_refusals",
            "Requests of the service that its actuator refused, by why.",
            ["cause"],
            registry=registry,
        )
        for refusal in Refusal:
            self._refusals.labels(refusal)
        self._reloads = Counter(
            f"{PREFIX}_policy_reloads", "Times the policy files were read.", ["result"], registry=registry
        )
        self._reload_ok = Gauge(
            f"{PREFIX}_policy_reload_successful",
            "Whether the policy files, as last read, are in force (1) or the set before them is (0).",
            registry=registry,
        )
        self._reload_at = Gauge(
            f"{PREFIX}_policy_reload_last_success_timestamp_seconds",
            "When the policies in force were read.",
            registry=registry,
        )
        Info(f"{PREFIX}_build", "The running version.", registry=registry).info({"version": __version__})

    def operation_ended(self, operation: Operation) -> None:
        """Note how long each stage of a change took that nothing held, with its decision as an example."""
        if operation.held:
            return
        example = {"decision_id": str(operation.decision_id)} if operation.decision_id else None
        for stage, seconds in operation.stages_s().items():
            self._stage_duration.labels(operation.direction, stage).observe(seconds, exemplar=example)

    def agent_asked(self, command: str, seconds: float) -> None:
        """Note one request to a guest agent; `command` is one of the few that the service uses."""
        self._agent_requests.labels(command).observe(seconds)

    def actuator_refused(self, cause: Refusal) -> None:
        """Note a request that the actuator refused."""
        self._refusals.labels(cause).inc()

    def scheduled(self, interval_s: float) -> None:
        """Note how often a tick is scheduled."""
        self._interval.set(interval_s)

    def tick_missed(self, cause: str) -> None:
        """Note a scheduled tick that did not run; `cause` is ``late`` or ``overrun``."""
        self._ticks_missed.labels(cause).inc()

    def policies_read(self, *, in_force: bool, wall_s: float) -> None:
        """Note that the policy files were read, and whether what they say is in force now."""
        self._reloads.labels("success" if in_force else "failure").inc()
        self._reload_ok.set(in_force)
        if in_force:
            self._reload_at.set(wall_s)
