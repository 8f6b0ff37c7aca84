"""What is, as Prometheus series: made anew at each scrape from the last snapshot.

Invariant: the series of a domain exist exactly as long as the snapshot holds it: a stopped domain vanishes.
A condition has a series only while it is in force: a thousand domains have little wrong with them, and each
has many ways to. Labels come from closed sets, from the host's configuration, or are a domain's name or a
policy's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from autoscaler.core.condition import AS_ORDERED
from autoscaler.core.operation import Direction
from autoscaler.service.host_metrics import host_families, service_families
from autoscaler.service.instruments import PREFIX
from autoscaler.service.metric_family import gauge
from autoscaler.service.removal_metrics import removal_families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import Metric

    from autoscaler.service.snapshot import DomainSnapshot, Example, Snapshot


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
        yield from _of_tallies(snapshot.domains)
        yield from removal_families(snapshot)


def _of_domains(domains: Iterable[DomainSnapshot]) -> Iterator[Metric]:
    info = InfoMetricFamily(
        f"{PREFIX}_domain", "What governs the domain and how its load is read.", labels=("domain",)
    )
    vcpus: list[tuple[tuple[str, ...], float]] = []
    conditions: list[tuple[tuple[str, ...], float]] = []
    troubles: list[tuple[tuple[str, ...], float]] = []
    sampled: list[tuple[tuple[str, ...], float]] = []
    for domain in domains:
        name = domain.label
        info.add_metric(
            (name,),
            {
                "uuid": domain.view.id.uuid,
                "host": domain.view.id.host,
                "policy": domain.policy.name,
                "mode": domain.policy.mode,
                "cpu_source": domain.source or "none",
            },
        )
        vcpus.extend(((name, state), float(count)) for state, count in vcpu_counts(domain).items())
        conditions.extend(((name, condition), 1.0) for condition in domain.conditions)
        troubles.append(((name,), float(len(domain.conditions.keys() - AS_ORDERED))))
        if domain.last_sample_wall_s is not None:
            sampled.append(((name,), domain.last_sample_wall_s))
    yield info
    yield gauge("domain_vcpus", "vCPUs of the domain, by state.", ("domain", "state"), vcpus)
    yield gauge(
        "domain_condition",
        "What is wrong with it or was ordered for it: 1 as long as that is so.",
        ("domain", "condition"),
        conditions,
    )
    yield gauge(
        "domain_troubles", "How much is wrong with it: conditions but those ordered.", ("domain",), troubles
    )
    yield gauge("domain_last_sample_timestamp_seconds", "When its load was last read.", ("domain",), sampled)


def vcpu_counts(domain: DomainSnapshot) -> dict[str, int]:
    """VCPUs by state, as people and metrics see them."""
    upper = min(domain.policy.max_vcpus or domain.view.maximum, domain.view.maximum)
    counts = {
        "plugged": domain.view.plugged,
        "online": domain.online,
        "min": min(domain.policy.min_vcpus, upper),
        "max": upper,
        "maximum": domain.view.maximum,
    }
    decision = domain.decision
    if decision is not None:
        # What a schedule in force makes of the bounds is known with the first decision.
        counts |= {"min": decision.lower, "max": decision.upper}
        counts |= {"target": decision.target, "proposed": decision.proposed}
    return counts


def _of_loads(domains: Iterable[DomainSnapshot]) -> Iterator[Metric]:
    loads = [((domain.label,), domain.load) for domain in domains if domain.load is not None]
    figures = (
        ("domain_busy_vcpus", "vCPU-seconds per second that the guest used.", "busy_vcpus"),
        ("domain_demand_vcpus", "vCPUs that the guest wanted, by estimate.", "demand_vcpus"),
        ("domain_utilization_ratio", "Busy share of the online vCPUs.", "utilization_ratio"),
        ("domain_steal_ratio", "Share of the online vCPUs' time that the host withheld.", "steal_ratio"),
    )
    for metric, text, field in figures:
        values = [(labels, float(getattr(load, field))) for labels, load in loads]
        yield gauge(metric, text, ("domain",), values)


def _of_service_levels(domains: Iterable[DomainSnapshot]) -> Iterator[Metric]:
    slices = CounterMetricFamily(
        f"{PREFIX}_slo_slices",
        "Slices of the service level, by how they came out.",
        labels=("domain", "outcome"),
    )
    objective: list[tuple[tuple[str, ...], float]] = []
    attained: list[tuple[tuple[str, ...], float]] = []
    budget: list[tuple[tuple[str, ...], float]] = []
    burn: list[tuple[tuple[str, ...], float]] = []
    for domain in domains:
        name, slo = domain.label, domain.slo
        for outcome, count in slo.slices_total.items():
            slices.add_metric((name, outcome), count)
        objective.append(((name,), slo.objective_ratio))
        budget.append(((name,), slo.budget_remaining_ratio))
        if slo.attained_ratio is not None:
            attained.append(((name,), slo.attained_ratio))
        burn.extend(((name, window), rate) for window, rate in slo.burn_rates.items() if rate is not None)
    yield slices
    yield gauge("slo_objective_ratio", "Share of slices that are to be good.", ("domain",), objective)
    yield gauge("slo_attained_ratio", "Good share of the window's known slices.", ("domain",), attained)
    yield gauge(
        "slo_error_budget_remaining_ratio",
        "Share of the window's bad slices that is still allowed; negative: overspent.",
        ("domain",),
        budget,
    )
    yield gauge(
        "slo_burn_rate",
        "Bad share of the known slices over the share that is allowed, by window.",
        ("domain", "window"),
        burn,
    )


def _of_tallies(domains: Iterable[DomainSnapshot]) -> Iterator[Metric]:
    decisions = CounterMetricFamily(
        f"{PREFIX}_decisions", "Decisions, by what they said and why.", labels=("domain", "action", "reason")
    )
    operations = CounterMetricFamily(
        f"{PREFIX}_scaling_operations", "Changes begun.", labels=("domain", "direction")
    )
    failures = CounterMetricFamily(
        f"{PREFIX}_scaling_failures",
        "Changes that did not end well, and (outcome unknown) replies to one that were lost.",
        labels=("domain", "direction", "outcome"),
    )
    errors = CounterMetricFamily(
        f"{PREFIX}_guest_agent_errors",
        "Calls to the guest's agent that it did not answer as it should, by the name of its error.",
        labels=("domain", "error"),
    )
    for domain in domains:
        name, tally = domain.label, domain.tally
        for (verdict, reason), count in tally.decisions.items():
            decisions.add_metric((name, verdict, reason), count)
        for direction in Direction:
            begun, example = tally.operations.get(direction, 0), tally.examples.get(direction)
            if begun or direction is not Direction.UNPLUG or domain.policy.down.idle_s is not None:
                operations.add_metric(
                    (name, direction), begun, exemplar=None if example is None else _exemplar(example)
                )
        for (direction, outcome), count in tally.failures.items():
            failures.add_metric((name, direction, outcome), count)
        for error, count in tally.agent_errors.items():
            errors.add_metric((name, error), count)
    yield from (decisions, operations, failures, errors)


def _exemplar(example: Example | None) -> Exemplar | None:
    """The decision behind a count; None: there is none, or it was not recorded."""
    if example is None or not example.decision_id:
        return None
    return Exemplar({"decision_id": str(example.decision_id)}, 1.0, example.wall_s)
