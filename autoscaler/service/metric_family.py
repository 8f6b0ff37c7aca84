"""A gauge and its values at once; every family of a snapshot is made so or by the library itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from autoscaler.service.instruments import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric


def gauge(
    name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> Metric:
    """The gauge `name`, without the prefix; each value with its labels' values, in their order."""
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family
