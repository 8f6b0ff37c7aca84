"""What concerns the removal of vCPUs, as Prometheus series; see metrics.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.service.metric_family import counter, gauge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from autoscaler.service.snapshot import Snapshot


def removal_families(snapshot: Snapshot) -> Iterator[Metric]:
    """Deadlines of the hosts; removals under way and reports of the domains.

    A domain whose policy asks for no vCPU back has no series, nor has one whose firmware says no more than
    anybody needs.
    """
    domains = snapshot.domains
    yield gauge(
        "host_stage_deadline_seconds",
        "After how long a change is stuck that has not come to this stage.",
        ("host", "stage"),
        (
            ((host.label, stage), seconds)
            for host in snapshot.hosts
            if host.shares is not None
            for stage, seconds in host.shares.deadlines_s.items()
        ),
    )
    yield gauge(
        "domain_removal_pending",
        "Whether the guest was asked for a vCPU.",
        ("domain",),
        (
            ((domain.label,), float(domain.removal is not None))
            for domain in domains
            if domain.removal is not None or domain.policy.down.idle_s is not None
        ),
    )
    yield counter(
        "acpi_reports",
        "What the guest's firmware reported of its slots, by whether it was looked at.",
        ("domain", "fate"),
        (
            ((domain.label, fate), count, None)
            for domain in domains
            for reports in (domain.view.reports,)
            if reports.dropped
            for fate, count in (("taken", reports.taken), ("dropped", reports.dropped))
        ),
    )
