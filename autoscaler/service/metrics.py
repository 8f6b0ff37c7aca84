"""What is, as Prometheus series: made anew at each scrape from the last snapshot.

Invariant: the series of a domain exist exactly as long as the snapshot holds it: a stopped domain vanishes.
Labels come from closed sets, from the host's configuration, or are a domain's name or a policy's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from autoscaler.core.condition import Condition
from autoscaler.core.operation import Direction
from autoscaler.service.instruments import PREFIX
from autoscaler.service.removal_metrics import removal_families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import Metric

    from autoscaler.service.snapshot import DomainSnapshot, HostSnapshot, Snapshot


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
        yield from _of_hosts(snapshot.hosts)
        yield _gauge("policies", "Policies in force.", (), [((), float(snapshot.policies))])
        yield _gauge(
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


def _of_hosts(hosts: Iterable[HostSnapshot]) -> Iterator[Metric]:
    connected = [((host.label,), float(host.connected)) for host in hosts]
    yield _gauge("host_connected", "Whether the last sweep of the host was answered.", ("host",), connected)
    unseen = [((host.label,), float(len(host.unseen))) for host in hosts]
    yield _gauge("host_unseen_domains", "Domains that are configured but cannot be seen.", ("host",), unseen)
    shares = [(host.label, host.shares) for host in hosts if host.shares is not None]
    vcpus = [
        ((label, state), float(count))
        for label, share in shares
        for state, count in (("capacity", share.capacity_vcpus), ("committed", share.committed_vcpus))
        if count is not None
    ]
    yield _gauge("host_vcpus", "vCPUs that the host's guests may run, and do.", ("host", "state"), vcpus)
    cpus = [((label,), float(share.cpus)) for label, share in shares if share.cpus is not None]
    yield _gauge("host_cpus", "Online logical CPUs of the host.", ("host",), cpus)
    pressure = [
        ((label,), share.pressure_ratio) for label, share in shares if share.pressure_ratio is not None
    ]
    yield _gauge(
        "host_pressure_ratio",
        "Share of 10 s in which tasks of the host waited for a CPU.",
        ("host",),
        pressure,
    )


def _of_domains(domains: Iterable[DomainSnapshot]) -> Iterator[Metric]:
    info = InfoMetricFamily(
        f"{PREFIX}_domain", "What governs the domain and how its load is read.", labels=("domain",)
    )
    vcpus: list[tuple[tuple[str, ...], float]] = []
    conditions: list[tuple[tuple[str, ...], float]] = []
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
        conditions.extend(((name, known), float(known in domain.conditions)) for known in Condition)
        if domain.last_sample_wall_s is not None:
            sampled.append(((name,), domain.last_sample_wall_s))
    yield info
    yield _gauge("domain_vcpus", "vCPUs of the domain, by state.", ("domain", "state"), vcpus)
    yield _gauge(
        "domain_condition", "Whether something is wrong with it.", ("domain", "condition"), conditions
    )
    yield _gauge("domain_last_sample_timestamp_seconds", "When its load was last read.", ("domain",), sampled)


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
        yield _gauge(metric, text, ("domain",), values)


def _of_service_levels(domains: Iterable[DomainSnapshot]) -> Iterator[Metric]:
    slices = CounterMetricFamily(
        f"{PREFIX}_slo_slices",
        "Slices of the service level, by how they came out.",
        labels=("domain", "outcome"),
    )
    objective: list[tuple[tuple[str, ...], float]] = []
    budget: list[tuple[tuple[str, ...], float]] = []
    burn: list[tuple[tuple[str, ...], float]] = []
    for domain in domains:
        name, slo = domain.label, domain.slo
        for outcome, count in slo.slices_total.items():
            slices.add_metric((name, outcome), count)
        objective.append(((name,), slo.objective_ratio))
        budget.append(((name,), slo.budget_remaining_ratio))
        burn.extend(((name, window), rate) for window, rate in slo.burn_rates.items() if rate is not None)
    yield slices
    yield _gauge("slo_objective_ratio", "Share of slices that are to be good.", ("domain",), objective)
    yield _gauge(
        "slo_error_budget_remaining_ratio",
        "Share of the window's bad slices that is still allowed; negative: overspent.",
        ("domain",),
        budget,
    )
    yield _gauge(
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
            operations.add_metric((name, direction), tally.operations.get(direction, 0))
        for (direction, outcome), count in tally.failures.items():
            failures.add_metric((name, direction, outcome), count)
        for error, count in tally.agent_errors.items():
            errors.add_metric((name, error), count)
    yield from (decisions, operations, failures, errors)


def _gauge(
    name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family
