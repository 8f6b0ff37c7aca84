"""Families of a snapshot's series, each made while it is written: a thousand domains have tens of thousands.

Invariant: a family's rows are made one by one as they are asked for, once. Held all at once they would
have the garbage collector look through everything that the service knows, in the middle of a scrape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from prometheus_client import Metric
from prometheus_client.samples import Sample

from autoscaler.service.instruments import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.samples import Exemplar

_DECIMALS = 6
"""Nobody reads the rest of a float, and in a thousand domains it is a tenth of a scrape."""
SUFFIXES = {"counter": "_total", "info": "_info"}
"""What a kind adds to the name of its series; the older format, to that of the family, too."""
Labels = tuple[str, ...]
Row = tuple[Labels, float, "Exemplar | None"]
"""The labels' values, in their order; the value; an example of what it counts."""


class Family(Metric):
    """Series that have the same labels, which are named once for all of them.

    `exposition` writes the rows. Whatever else reads a metric finds them among `samples`, and there only.
    """

    def __init__(self, name: str, text: str, kind: str, labels: Labels, rows: Iterable[Row]) -> None:
        """`name` is without the prefix and what its kind adds; `labels` are in alphabetical order."""
        super().__init__(f"{PREFIX}_{name}", text, kind)
        self.series = self.name + SUFFIXES.get(kind, "")
        """What each of its series is called."""
        self.labels = labels
        self.rows = rows
        self.samples = cast("list[Sample]", self._samples())

    def _samples(self) -> Iterator[Sample]:
        for values, value, exemplar in self.rows:
            yield Sample(self.series, dict(zip(self.labels, values, strict=True)), value, None, exemplar)


def gauge(name: str, text: str, labels: Labels, values: Iterable[tuple[Labels, float]]) -> Metric:
    """The gauge `name`, without the prefix; each value with its labels' values, in their order."""
    rows = ((found, round(value, _DECIMALS), None) for found, value in values)
    return Family(name, text, "gauge", labels, rows)


def counter(name: str, text: str, labels: Labels, counts: Iterable[Row]) -> Metric:
    """The counter `name`, without the prefix and ``_total``."""
    return Family(name, text, "counter", labels, counts)


def info(name: str, text: str, labels: Labels, told: Iterable[Labels]) -> Metric:
    """What is told in labels, under `name` without the prefix and ``_info``."""
    return Family(name, text, "info", labels, ((values, 1.0, None) for values in told))
