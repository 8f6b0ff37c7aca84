"""What concerns the removal of vCPUs, as Prometheus series; see metrics.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from autoscaler.service.instruments import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from autoscaler.service.snapshot import Snapshot


def removal_families(snapshot: Snapshot) -> Iterator[Metric]:
    """Deadlines of the hosts; reports, file descriptors and removals under way of the domains."""
    deadlines = GaugeMetricFamily(
        f"{PREFIX}_host_stage_deadline_seconds",
        "After how long a change is stuck that has not come to this stage.",
        labels=("host", "stage"),
    )
    for host in snapshot.hosts:
        for stage, seconds in ({} if host.shares is None else host.shares.deadlines_s).items():
            deadlines.add_metric((host.label, stage), seconds)
    pending = GaugeMetricFamily(
        f"{PREFIX}_domain_removal_pending", "Whether the guest was asked for a vCPU.", labels=("domain",)
    )
    reports = CounterMetricFamily(
        f"{PREFIX}_acpi_reports",
        "What the guest's firmware reported of its slots, by whether it was looked at.",
        labels=("domain", "fate"),
    )
    descriptors = GaugeMetricFamily(
        f"{PREFIX}_domain_qemu_descriptors",
        "File descriptors that the domain's QEMU has open, and may have.",
        labels=("domain", "state"),
    )
    for domain in snapshot.domains:
        name, view = domain.label, domain.view
        pending.add_metric((name,), float(domain.removal is not None))
        if view.reports.taken or view.reports.dropped:  # most firmware never says anything
            reports.add_metric((name, "taken"), view.reports.taken)
            reports.add_metric((name, "dropped"), view.reports.dropped)
        if view.descriptors is not None:
            descriptors.add_metric((name, "open"), float(view.descriptors.open))
            descriptors.add_metric((name, "limit"), float(view.descriptors.limit))
    yield from (deadlines, pending, reports, descriptors)
