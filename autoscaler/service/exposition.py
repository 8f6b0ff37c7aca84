"""Writes metric families as text, in Prometheus' own format or as OpenMetrics.

The same as prometheus_client writes, which tests hold it to, but that a whole number is written as one, and
several times faster: of a family that names its labels once, as all do that tell of domains, no more than the
values is put together line by line.
Invariant: one family at a time becomes text; nothing is kept between two scrapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

from autoscaler.service.metric_family import SUFFIXES, Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import CollectorRegistry, Metric
    from prometheus_client.samples import Exemplar

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})
_fraction: Callable[[float], str] = floatToGoString
_LARGEST_WHOLE = 1e15
"""Above it not every whole number is a float."""
_TEXT_TYPES = {"info": "gauge", "stateset": "gauge", "unknown": "untyped"}


class Form(NamedTuple):
    """How the metrics are written."""

    openmetrics: bool
    content_type: str


def form_for(accept: str) -> Form:
    """The format that the header ``Accept`` asks for; the older one where it cannot be made out."""
    try:
        _, content_type = choose_encoder(accept)
    except TypeError:  # by the library, of a version that is no number
        _, content_type = choose_encoder("")
    return Form(content_type.startswith("application/openmetrics-text"), content_type)


def exposition(registry: CollectorRegistry, *, openmetrics: bool) -> bytes:
    """Every metric, as OpenMetrics or in the older format."""
    lines = list(_lines(registry.collect(), openmetrics=openmetrics))
    if openmetrics:
        lines.append("# EOF\n")
    return "".join(lines).encode()


def _lines(families: Iterable[Metric], *, openmetrics: bool) -> Iterator[str]:
    escaped = _Escaped()
    for family in families:
        name, kind, text = family.name, family.type, family.documentation
        if openmetrics:
            text = text.translate(_ESCAPES)
        else:
            name, kind = name + SUFFIXES.get(kind, ""), _TEXT_TYPES.get(kind, kind)
            text = text.translate(_HELP_ESCAPES)
        yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
        if isinstance(family, Family):
            yield from _rows(family, escaped, openmetrics=openmetrics)
        else:
            yield from _samples(family, escaped, openmetrics=openmetrics)


def _rows(family: Family, escaped: _Escaped, *, openmetrics: bool) -> Iterator[str]:
    """The series of a family; all but their values is put together once for all of them."""
    labels = _braced(f'{label}="%s"' for label in family.labels)
    line = f"{family.series}{labels} %s%s\n"
    safe = escaped.__getitem__
    for values, value, exemplar in family.rows:
        told = "" if exemplar is None or not openmetrics else _of_exemplar(exemplar)
        yield line % (*map(safe, values), _number(value), told)


def _samples(metric: Metric, escaped: _Escaped, *, openmetrics: bool) -> Iterator[str]:
    """The series of one of the library's metrics, which may all have other labels."""
    for sample in metric.samples:
        told = "" if sample.exemplar is None or not openmetrics else _of_exemplar(sample.exemplar)
        labels = _braced(f'{key}="{escaped[value]}"' for key, value in sorted(sample.labels.items()))
        yield f"{sample.name}{labels} {_number(sample.value)}{told}\n"


def _braced(labels: Iterable[str]) -> str:
    told = ",".join(labels)
    return f"{{{told}}}" if told else ""


class _Escaped(dict[str, str]):
    """Values of labels as they are written: a domain's name is in most of its lines."""

    def __missing__(self, value: str) -> str:
        safe = self[value] = value.translate(_ESCAPES)
        return safe


def _number(value: float) -> str:
    """A value; most are counts, and ``5.0`` for each of tens of thousands of them is two bytes too many."""
    if isinstance(value, int):
        return str(value)
    if abs(value) < _LARGEST_WHOLE and value == int(value):
        return str(int(value))
    return _fraction(value)


def _of_exemplar(exemplar: Exemplar) -> str:
    labels = ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in exemplar.labels.items())
    at = "" if exemplar.timestamp is None else f" {exemplar.timestamp}"
    return f" # {{{labels}}} {_number(exemplar.value)}{at}"
