"""What is, as Prometheus series: made anew at each scrape from the last snapshot.

Invariant: the series of a domain exist exactly as long as the snapshot holds it: a stopped domain vanishes.
A condition has a series only while it is in force, for a thousand domains have little wrong with them, and
each has many ways to; slices that were not measured have one from the first on; a decision's reason and an
error of an agent have theirs while they come (moving_counts.py). Labels come from closed sets, from the
host's configuration, or are a domain's name or a policy's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from autoscaler.core.operation import Direction
from autoscaler.core.slo import SliceOutcome
from autoscaler.service.host_metrics import host_families, service_families
from autoscaler.service.metric_family import counter, gauge, info
from autoscaler.service.moving_counts import TOLD_S
from autoscaler.service.removal_metrics import removal_families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client import Metric

    from autoscaler.service.metric_family import Labels, Row
    from autoscaler.service.snapshot import DomainSnapshot, Example, Snapshot

_OF_ONE = ("domain",)


class SnapshotCollector(Collector):
    """Turns the newest snapshot into metric families."""

    def __init__(self, newest: Callable[[], Snapshot]) -> None:
        self._newest = newest

    def describe(self) -> Iterable[Metric]:
        """Nothing is collected at registration: names are known only with a snapshot."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family of the newest snapshot."""
        snapshot = self._newest()
        yield from service_families(snapshot)
        yield from host_families(snapshot.hosts)
        yield gauge("policies", "Policies in force.", (), [((), float(snapshot.policies))])
        yield gauge(
            "domains",
            "Running domains, by whether a policy governs them.",
            ("governed",),
            [(("true",), float(len(snapshot.domains))), (("false",), float(len(snapshot.ungoverned)))],
        )
        yield from _of_domains(snapshot.domains)
        yield from _of_loads(snapshot.domains)
        yield from _of_service_levels(snapshot.domains)
        yield from _of_tallies(snapshot)
        yield from removal_families(snapshot)


def _of_domains(domains: Sequence[DomainSnapshot]) -> Iterator[Metric]:
    yield info(
        "domain",
        "What governs the domain and how its load is read.",
        ("cpu_source", "domain", "host", "mode", "policy", "uuid"),
        map(_told, domains),
    )
    yield gauge(
        "domain_vcpus",
        "vCPUs of the domain, by state.",
        ("domain", "state"),
        (
            ((domain.label, state), count)
            for domain in domains
            for state, count in vcpu_counts(domain).items()
        ),
    )
    yield gauge(
        "domain_condition",
        "What is wrong with it or was ordered for it: 1 as long as that is so.",
        ("condition", "domain"),
        (((condition, domain.label), 1.0) for domain in domains for condition in domain.conditions),
    )
    yield gauge(
        "domain_last_sample_timestamp_seconds",
        "When its load was last read.",
        _OF_ONE,
        (
            ((domain.label,), float(int(domain.last_sample_wall_s)))
            for domain in domains
            if domain.last_sample_wall_s is not None
        ),
    )


def _told(domain: DomainSnapshot) -> Labels:
    view, policy = domain.view.id, domain.policy
    return domain.source or "none", domain.label, view.host, policy.mode, policy.name, view.uuid


def vcpu_counts(domain: DomainSnapshot) -> dict[str, int]:
    """VCPUs by state, as people and metrics see them; what is not known is not among them."""
    upper = min(domain.policy.max_vcpus or domain.view.maximum, domain.view.maximum)
    counts = {
        "plugged": domain.view.plugged,
        **({} if domain.online is None else {"online": domain.online}),
        "min": min(domain.policy.min_vcpus, upper),
        "max": upper,
        "maximum": domain.view.maximum,
    }
    decision = domain.decision
    if decision is not None:
        # What a schedule in force makes of the bounds is known with the first decision.
        counts |= {"min": decision.lower, "max": decision.upper}
        if not decision.in_the_dark:
            counts |= {"target": decision.target, "proposed": decision.proposed}
    return counts


def _of_loads(domains: Sequence[DomainSnapshot]) -> Iterator[Metric]:
    loads = [((domain.label,), domain.load) for domain in domains if domain.load is not None]
    figures = (
        ("domain_busy_vcpus", "vCPU-seconds per second that the guest used.", "busy_vcpus"),
        ("domain_demand_vcpus", "vCPUs that the guest wanted, by estimate.", "demand_vcpus"),
        ("domain_utilization_ratio", "Busy share of the online vCPUs.", "utilization_ratio"),
        ("domain_steal_ratio", "Share of the online vCPUs' time that the host withheld.", "steal_ratio"),
    )
    for metric, text, field in figures:
        values = [(labels, float(getattr(load, field))) for labels, load in loads]
        yield gauge(metric, text, _OF_ONE, values)


def _of_service_levels(domains: Sequence[DomainSnapshot]) -> Iterator[Metric]:
    yield counter(
        "slo_slices",
        "Slices of the service level, by how they came out.",
        ("domain", "outcome"),
        (
            ((domain.label, outcome), count, None)
            for domain in domains
            for outcome, count in domain.slo.slices_total.items()
            if count or outcome is not SliceOutcome.UNKNOWN
        ),
    )
    yield gauge(
        "slo_objective_ratio",
        "Share of slices that are to be good.",
        _OF_ONE,
        (((domain.label,), domain.slo.objective_ratio) for domain in domains),
    )
    yield gauge(
        "slo_attained_ratio",
        "Good share of what was measured of the window.",
        _OF_ONE,
        (
            ((domain.label,), domain.slo.attained_ratio)
            for domain in domains
            if domain.slo.attained_ratio is not None
        ),
    )
    yield gauge(
        "slo_measured_seconds",
        "How much of the window was measured: what slo_attained_ratio is a share of.",
        _OF_ONE,
        (((domain.label,), domain.slo.measured_s) for domain in domains),
    )
    yield gauge(
        "slo_error_budget_remaining_ratio",
        "Share of the window's bad slices that is still allowed; negative: overspent.",
        _OF_ONE,
        (((domain.label,), domain.slo.budget_remaining_ratio) for domain in domains),
    )


def _of_tallies(snapshot: Snapshot) -> Iterator[Metric]:
    domains = snapshot.domains
    yield counter(
        "decisions",
        "Decisions, by what they said and why.",
        ("action", "domain", "reason"),
        (
            ((verdict, domain.label, reason), count, None)
            for domain in domains
            for (verdict, reason), count in domain.tally.decisions.items()
        ),
    )
    yield counter("scaling_operations", "Changes begun.", ("direction", "domain"), _begun(snapshot))
    yield counter(
        "scaling_failures",
        "Changes that did not end well, and (outcome unknown) replies to one that were lost.",
        ("direction", "domain", "outcome"),
        (
            ((direction, domain.label, outcome), count, None)
            for domain in domains
            for (direction, outcome), count in domain.tally.failures.items()
        ),
    )
    yield counter(
        "guest_agent_errors",
        "Calls to the guest's agent that it did not answer as it should, by the name of its error.",
        ("domain", "error"),
        (
            ((domain.label, error), count, None)
            for domain in domains
            for error, count in domain.tally.agent_errors.items()
        ),
    )


def _begun(snapshot: Snapshot) -> Iterator[Row]:
    """Counts of changes, from nought on where such a change may come."""
    for domain in snapshot.domains:
        tally = domain.tally
        for direction in Direction:
            count, example = tally.operations.get(direction, 0), tally.examples.get(direction)
            if count or direction is not Direction.UNPLUG or domain.policy.down.idle_s is not None:
                yield (direction, domain.label), count, _exemplar(example, snapshot.wall_s)


def _exemplar(example: Example | None, now_s: float) -> Exemplar | None:
    """The decision behind a count; None: there is none, it was not recorded, or it was told for long enough.

    Prometheus keeps it at the first scrape that has it.
    """
    if example is None or not example.decision_id or now_s - example.wall_s > TOLD_S:
        return None
    return Exemplar({"decision_id": str(example.decision_id)}, 1.0, example.wall_s)
