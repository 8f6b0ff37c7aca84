"""Reads traces from a Prometheus server, a page of time after the other.

Invariant: what a server did not record is a gap, and the interval of a trace is never finer than its scrapes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.core.model import MOST_VCPUS
from autoscaler.replay.findings import Mend, Problems, Repairs, TraceError
from autoscaler.replay.reading.gathered import name_fault
from autoscaler.replay.reading.prometheus_metrics import METRICS, metric_named
from autoscaler.replay.reading.prometheus_server import PrometheusServer
from autoscaler.replay.reading.read import Evened, Reading
from autoscaler.replay.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autoscaler.replay.reading.prometheus_metrics import Metric

MOST_POINTS = 10_000
"""Of a series in one answer; Prometheus gives 11,000 and no more."""
_PAGE_POINTS = 250_000
"""Of all series in one answer; they take 10 MB on the wire."""
_LOOK_S = 3600.0
_MOST_LOOKS = 100
_JITTER_RATIO = 0.05
_DOMAIN = "domain"

Labels = frozenset[tuple[str, str]]


def from_prometheus(
    url: str,
    *,
    start_s: float,
    end_s: float,
    step_s: float,
    seed: int,
    timeout_s: float,
    metric: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Reading:
    """Read every domain that a server knows demand of.

    Args:
        url: The server's address, ``http://`` or ``https://``, with the path that it is served under.
        start_s: Seconds since the epoch.
        end_s: Seconds since the epoch.
        step_s: Length of a step.
        seed: Of the noise between scrapes that are further apart than steps.
        timeout_s: For all of it.
        metric: One of `prometheus_metrics.METRIC_NAMES`; None: the first that the server has.
        progress: Told after each page how many of how many were read.

    Raises:
        TraceError: the server does not answer as one should, has nothing, or its figures cannot be demand.
    """
    if not 0 <= start_s < end_s:
        raise TraceError(f"{url}: nothing lies between {start_s:.0f} and {end_s:.0f}; start before the end")
    problems, repairs = Problems(), Repairs()
    with PrometheusServer(url, timeout_s) as server:
        asked = METRICS if metric is None else (metric_named(metric),)
        found = _found(server, asked, start_s, end_s)
        interval_s = max(step_s, found.scrape_s)
        series = _pages(server, found, start_s, end_s, interval_s, progress)
        counts = _counts(server, found.metric, start_s, end_s)
        for note in _left_unread(server, asked, found, start_s, end_s):
            repairs.note(server.url, note)
    if found.metric.counter:
        repairs.note(
            server.url,
            f"{found.metric.metric} has what guests used: where vCPUs lacked, less than they wanted",
        )
    evened = Evened(step_s=step_s, seed=seed, problems=problems, repairs=repairs)
    evened.add(_recordings(server.url, series, counts, found, interval_s, problems, repairs))
    return evened.reading()


@dataclass(frozen=True, slots=True)
class _Found:
    metric: Metric
    series: int
    domains: frozenset[str]
    """By their names alone: who exports another metric is another instance."""
    scrape_s: float


@dataclass(slots=True)
class _Points:
    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


def _found(server: PrometheusServer, metrics: tuple[Metric, ...], start_s: float, end_s: float) -> _Found:
    """Which of the metrics the server has, and how often it was scraped."""
    window_s = _window_s(start_s, end_s)
    for metric in metrics:
        scraped = _scraped(server, metric, start_s, end_s)
        looks = [
            (scrapes, at, sorted(labels))
            for labels, points in scraped
            for at, scrapes in zip(points.times, points.values, strict=True)
        ]
        if looks:
            _, at_s, labels = max(looks)
            query = metric.samples_query(labels, min(window_s, _LOOK_S))
            return _Found(metric, len(scraped), _domains(scraped), _scrape_s(server, query, at_s, window_s))
    names = ", ".join(metric.metric for metric in metrics)
    raise TraceError(f"{server.url}: it has none of {names} in that time; does it scrape the hosts?")


def _scraped(
    server: PrometheusServer, metric: Metric, start_s: float, end_s: float
) -> list[tuple[Labels, _Points]]:
    """How often each series was scraped in each of some windows."""
    window_s = _window_s(start_s, end_s)
    query = metric.scrapes_query(window_s)
    result = server.matrix(query, start_s=start_s + window_s, end_s=end_s, step_s=window_s)
    return list(_parsed(server.url, result))


def _domains(scraped: list[tuple[Labels, _Points]]) -> frozenset[str]:
    return frozenset(dict(labels).get(_DOMAIN, "") for labels, _ in scraped)


def _left_unread(
    server: PrometheusServer, metrics: tuple[Metric, ...], found: _Found, start_s: float, end_s: float
) -> Iterator[str]:
    """What the server knows of domains that the metric which was taken does not have."""
    for metric in metrics[metrics.index(found.metric) + 1 :]:
        more = sorted(_domains(_scraped(server, metric, start_s, end_s)) - found.domains)
        if more:
            yield (
                f"{len(more)} domains were not read, such as {more[0]}: {found.metric.metric} does not have "
                f"them, --metric {metric.name} has"
            )


def _scrape_s(server: PrometheusServer, query: str, at_s: float, window_s: float) -> float:
    """The usual time between a series' samples; whole seconds where it is nearly that."""
    for _, points in _parsed(server.url, server.samples(query, at_s)):
        if len(points.times) > 1:
            usual_s = float(np.median(np.diff(points.times)))
            whole_s = float(round(usual_s))
            return whole_s if abs(usual_s - whole_s) <= _JITTER_RATIO * usual_s else usual_s
    return window_s


def _window_s(start_s: float, end_s: float) -> float:
    windows = min(max(math.floor((end_s - start_s) / _LOOK_S), 1), _MOST_LOOKS)
    return (end_s - start_s) / windows


def _pages(
    server: PrometheusServer,
    found: _Found,
    start_s: float,
    end_s: float,
    interval_s: float,
    progress: Callable[[int, int], None] | None,
) -> dict[Labels, _Points]:
    """Every point of every series."""
    query = found.metric.query(step_s=interval_s, scrape_s=found.scrape_s)
    points = math.floor((end_s - start_s) / interval_s)
    if not points:
        raise TraceError(f"{server.url}: it is scraped every {interval_s:g} s; ask for more time than that")
    on_page = min(max(_PAGE_POINTS // found.series, 1), MOST_POINTS)
    whole: dict[Labels, _Points] = defaultdict(_Points)
    for first in range(1, points + 1, on_page):
        last = min(first + on_page - 1, points)
        result = server.matrix(
            query, start_s=start_s + first * interval_s, end_s=start_s + last * interval_s, step_s=interval_s
        )
        for labels, page in _parsed(server.url, result):
            whole[labels].times += page.times
            whole[labels].values += page.values
        if progress is not None:
            progress(last, points)
    return whole


def _counts(
    server: PrometheusServer, metric: Metric, start_s: float, end_s: float
) -> dict[tuple[str | None, str | None], int]:
    """The most vCPUs that each domain of each scraped host had, or can have."""
    window_s = _window_s(start_s, end_s)
    query = metric.counts_query(window_s)
    if query is None:
        return {}
    result = server.matrix(query, start_s=start_s + window_s, end_s=end_s, step_s=window_s)
    most: dict[tuple[str | None, str | None], int] = {}
    for labels, points in _parsed(server.url, result):
        known = [value for value in points.values if 0 <= value <= MOST_VCPUS]
        most[_whose(labels)] = max(most.get(_whose(labels), 0), *map(int, known), 0)
    return most


def _whose(labels: Labels) -> tuple[str | None, str | None]:
    named = dict(labels)
    return named.get(_DOMAIN), named.get("instance")


def _parsed(url: str, result: list[object]) -> Iterator[tuple[Labels, _Points]]:
    for entry in result:
        try:
            labels: Labels = frozenset((str(key), str(value)) for key, value in entry["metric"].items())  # type: ignore[index]
            pairs = entry["values"]  # type: ignore[index]
            points = _Points([float(at) for at, _ in pairs], [float(value) for _, value in pairs])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise TraceError(f"{url}: a series is not written as Prometheus writes them: {error}") from error
        if not all(map(math.isfinite, points.times)):
            raise TraceError(f"{url}: a series has a time that is no number")
        yield labels, points


def _recordings(
    url: str,
    series: dict[Labels, _Points],
    counts: dict[tuple[str | None, str | None], int],
    found: _Found,
    interval_s: float,
    problems: Problems,
    repairs: Repairs,
) -> Iterator[Recording]:
    """A recording of each series; what a point says is of the time before it."""
    for labels, points in sorted(series.items(), key=lambda item: sorted(item[0])):
        domain = dict(labels).get(_DOMAIN, "")
        times, values = np.array(points.times), np.array(points.values)
        wrong = np.flatnonzero((values < 0) | (values > MOST_VCPUS))
        if fault := name_fault(domain):
            named = f"{fault}; its labels are {sorted(labels)!r:.200}"
            problems.add(url, None, f"a series has no usable label {_DOMAIN!r}: {named}")
        elif len(wrong):
            value, at_s = values[wrong[0]], times[wrong[0]]
            problems.add(url, None, f"{domain} has {value:g} vCPUs of demand at {at_s:.0f}: that cannot be")
        else:
            count = counts.get(_whose(labels), 0)
            if unknown := int(np.isnan(values).sum()):
                repairs.mended(url, None, Mend.EMPTY, domain=domain, rows=unknown)
            yield Recording(
                domain=domain,
                place=url,
                lines=None,
                begin_s=times - interval_s,
                lasting_s=np.full(len(times), interval_s),
                demand_vcpus=values,
                vcpus=0 if found.metric.counts_limit else count,
                maximum=count if found.metric.counts_limit else 0,
            )
