"""Metrics that demand can be read from, and the queries that do it.

Invariant: a query gives vCPUs, one series a domain.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoscaler.replay.findings import TraceError, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

_FULL_RATIO = 0.75
"""Of the scrapes that fit into a window: with fewer it is not full."""
_MEAN_FROM_SCRAPES = 2
"""With so many scrapes in a step, a step is their mean; with fewer it is the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric that tells what guests use or want."""

    name: str
    """What it is called on the command line."""
    source: str
    """Who exports it."""
    metric: str
    """Its name in Prometheus."""
    counter: bool
    """Whether it only grows, so that its rate is meant."""
    per_vcpu: bool = False
    """Whether each vCPU has a series of its own, told apart by the label ``vcpu``."""
    per_second: float = 1.0
    """So much of the counter is one vCPU for a second."""
    counts: str | None = None
    """A selector of the vCPUs that the domain has; None: there is none."""
    counts_limit: bool = False
    """Whether that selects the most that it can have."""

    def query(self, *, step_s: float, scrape_s: float) -> str:
        """PromQL for the mean of each step, vCPUs.

        A rate's window is a step and one scrape more, so that the counter's growth over the step is in it.
        Where scrapes are missing, ``rate`` extrapolates to a part of the window alone and says too little, so
        a window that is not nearly full gives nothing.
        """
        if not self.counter:
            if step_s < _MEAN_FROM_SCRAPES * scrape_s:
                return f"last_over_time({self.metric}[{_duration(_MEAN_FROM_SCRAPES * scrape_s)}])"
            return f"avg_over_time({self.metric}[{_duration(step_s)}])"
        window_s = step_s + scrape_s
        window, least = f"{self.metric}[{_duration(window_s)}]", math.ceil(_FULL_RATIO * window_s / scrape_s)
        rate = f"(rate({window}) and count_over_time({window}) >= {least})"
        whole = f"sum without (vcpu) {rate}" if self.per_vcpu else rate
        return whole if self.per_second == 1 else f"{whole} / {self.per_second:.0f}"

    def scrapes_query(self, window_s: float) -> str:
        """PromQL for how often each series was scraped in a window."""
        return f"count_over_time({self.metric}[{_duration(window_s)}])"

    def samples_query(self, labels: Iterable[tuple[str, str]], window_s: float) -> str:
        """PromQL for what was scraped of one series in a window, with its times."""
        # A string of JSON is one of PromQL, too.
        told = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels)
        return f"{self.metric}{{{told}}}[{_duration(window_s)}]"

    def counts_query(self, window_s: float) -> str | None:
        """PromQL for the most vCPUs in a window."""
        return None if self.counts is None else f"max_over_time({self.counts}[{_duration(window_s)}])"


METRICS = (
    Metric(
        name="service",
        source="this project's service",
        metric="vcpu_autoscaler_domain_demand_vcpus",
        counter=False,
        counts='vcpu_autoscaler_domain_vcpus{state="maximum"}',
        counts_limit=True,
    ),
    Metric(
        name="vcpu-time",
        source="libvirt exporters that list each vCPU's time",
        metric="libvirt_domain_vcpu_time_seconds_total",
        counter=True,
        per_vcpu=True,
        counts="libvirt_domain_info_virtual_cpus",
    ),
    Metric(
        name="domain-time",
        source="libvirt exporters, Debian's prometheus-libvirt-exporter among them",
        metric="libvirt_domain_info_cpu_time_seconds_total",
        counter=True,
        counts="libvirt_domain_info_virtual_cpus",
    ),
    Metric(
        name="domain-nanoseconds",
        source="the libvirt exporter in Python",
        metric="libvirt_cpu_stats_cpu_time_nanosecs",
        counter=True,
        per_second=1e9,
    ),
)
"""In the order in which a server is asked for them: demand before what was used, vCPUs before all of QEMU."""
METRIC_NAMES = tuple(metric.name for metric in METRICS)


def metric_named(name: str) -> Metric:
    """The metric of a name.

    Raises:
        TraceError: there is none.
    """
    for metric in METRICS:
        if metric.name == name:
            return metric
    raise TraceError(f"no metric is called {shown(name)}; there are {', '.join(METRIC_NAMES)}")


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"
