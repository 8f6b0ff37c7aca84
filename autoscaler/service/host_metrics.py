"""What concerns the service and its hosts, as Prometheus series; see metrics.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.spans import span
from autoscaler.service.metric_family import gauge, info
from autoscaler.service.promise import promise_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from prometheus_client import Metric

    from autoscaler.service.snapshot import HostSnapshot, Snapshot


def service_families(snapshot: Snapshot) -> Iterator[Metric]:
    """How the service itself stands."""
    yield gauge(
        "snapshot_timestamp_seconds",
        "When what is told here of hosts and domains was put together.",
        (),
        [((), snapshot.wall_s)],
    )
    writable = "journal" not in snapshot.troubles
    yield gauge(
        "journal_writable",
        "Whether the last entry into the journal could be written: nothing is changed unrecorded.",
        (),
        [((), float(writable))],
    )
    yield gauge(
        "control_reachable",
        "Whether orders (`autoscaler pause`, `set`, `reload`) reach the service at its control socket.",
        (),
        [((), float("control" not in snapshot.troubles))],
    )
    yield gauge(
        "audit_writable",
        "Whether the last line of the audit log could be written: nothing is changed without one.",
        (),
        [((), float("audit" not in snapshot.troubles))],
    )
    yield gauge(
        "audit_lines",
        "Number of the newest line of the audit log; one that goes back was cut.",
        (),
        [((), float(snapshot.audit_line))],
    )
    promises = {domain.policy.name: domain.policy.sla for domain in snapshot.domains}
    yield info(
        "policy",
        "What each policy promises that governs a domain.",
        ("policy", "promise"),
        ((name, f"{promise_of(sla)}, in slices of {span(sla.slice_s)}") for name, sla in promises.items()),
    )
    yield gauge(
        "policy_limit_ratio",
        "Below what each policy keeps its indicator: a share of vCPUs or of time, or tasks a vCPU.",
        ("indicator", "policy"),
        (((sla.indicator.removesuffix("_below"), name), sla.below) for name, sla in promises.items()),
    )


def host_families(hosts: Collection[HostSnapshot]) -> Iterator[Metric]:
    """What each host connection has, and what stands in the way there."""
    connected = [((host.label,), float(host.connected)) for host in hosts]
    yield gauge("host_connected", "Whether the last sweep of the host was answered.", ("host",), connected)
    yield gauge(
        "libvirt_connected",
        "The same, of the hosts that are reached through libvirt.",
        ("host",),
        [((host.label,), float(host.connected)) for host in hosts if host.libvirt],
    )
    unseen = [((host.label,), float(len(host.unseen))) for host in hosts]
    yield gauge(
        "host_unseen_domains",
        "Domains that cannot be seen, or are left to another connection.",
        ("host",),
        unseen,
    )
    shares = [(host.label, host.shares) for host in hosts if host.shares is not None]
    vcpus = [
        ((label, state), float(count))
        for label, share in shares
        for state, count in (("capacity", share.capacity_vcpus), ("committed", share.committed_vcpus))
        if count is not None
    ]
    yield gauge("host_vcpus", "vCPUs that the host's guests may run, and do.", ("host", "state"), vcpus)
    cpus = [((label,), float(share.cpus)) for label, share in shares if share.cpus is not None]
    yield gauge("host_cpus", "Online logical CPUs of the host.", ("host",), cpus)
    yield gauge(
        "host_growth_stopped",
        "Whether no guest of the host may grow, since it withholds time from them or its own tasks wait.",
        ("host",),
        [((label,), float(bool(share.pressed))) for label, share in shares],
    )
    steal = [((label,), share.steal_ratio) for label, share in shares if share.steal_ratio is not None]
    yield gauge(
        "host_steal_ratio", "Share of its governed guests' vCPU time that it withheld.", ("host",), steal
    )
    pressure = [
        ((label,), share.pressure_ratio) for label, share in shares if share.pressure_ratio is not None
    ]
    yield gauge(
        "host_pressure_ratio",
        "Share of 10 s in which tasks of the host waited for a CPU.",
        ("host",),
        pressure,
    )
