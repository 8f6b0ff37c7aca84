"""Families of a snapshot's series, each made while it is written: a thousand domains have tens of thousands.

Invariant: a family's samples are made one by one as they are asked for, once. Held all at once they would
have the garbage collector look through everything that the service knows, in the middle of a scrape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.samples import Sample

from autoscaler.service.instruments import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import Metric
    from prometheus_client.samples import Exemplar

_DECIMALS = 6
"""Nobody reads the rest of a float, and in a thousand domains it is a tenth of a scrape."""
Labels = tuple[str, ...]


def gauge(name: str, text: str, labels: Labels, values: Iterable[tuple[Labels, float]]) -> Metric:
    """The gauge `name`, without the prefix; each value with its labels' values, in their order."""
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text)
    return _filled(
        family,
        (
            Sample(family.name, dict(zip(labels, found, strict=True)), round(value, _DECIMALS))
            for found, value in values
        ),
    )


def counter(
    name: str, text: str, labels: Labels, values: Iterable[tuple[Labels, float, Exemplar | None]]
) -> Metric:
    """The counter `name`, without the prefix and ``_total``; each count with an example of what it counts."""
    family = CounterMetricFamily(f"{PREFIX}_{name}", text)
    return _filled(
        family,
        (
            Sample(f"{family.name}_total", dict(zip(labels, found, strict=True)), value, None, exemplar)
            for found, value, exemplar in values
        ),
    )


def info(name: str, text: str, values: Iterable[Mapping[str, str]]) -> Metric:
    """What is told in labels, under `name` without the prefix and ``_info``."""
    family = InfoMetricFamily(f"{PREFIX}_{name}", text)
    return _filled(family, (Sample(f"{family.name}_info", dict(labels), 1.0) for labels in values))


def _filled(family: Metric, samples: Iterable[Sample]) -> Metric:
    family.samples = cast("list[Sample]", samples)  # whoever writes it only goes through them
    return family
