"""Writes metric families as text, in Prometheus' own format or as OpenMetrics.

The same as prometheus_client writes, which tests hold it to, but that a whole number is written as one, and
several times faster: the library looks at every letter of every label by itself, which for a thousand domains
takes longer than a scrape may.
Invariant: one family at a time becomes text; nothing is kept between two scrapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import CollectorRegistry, Metric
    from prometheus_client.samples import Exemplar, Sample

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})
_TEXT_NAMES = {"counter": "_total", "info": "_info"}
"""What the older format adds to the name of a family itself."""
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
    escaped: dict[str, str] = {}
    """Label values, for a domain's name is in most of its lines."""
    for family in families:
        name, kind, text = family.name, family.type, family.documentation
        if openmetrics:
            text = text.translate(_ESCAPES)
        else:
            name, kind = name + _TEXT_NAMES.get(kind, ""), _TEXT_TYPES.get(kind, kind)
            text = text.translate(_HELP_ESCAPES)
        yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
        for sample in family.samples:
            exemplar = sample.exemplar if openmetrics else None
            yield (
                f"{sample.name}{_labels(sample, escaped)} {_number(sample.value)}"
                f"{'' if exemplar is None else _of_exemplar(exemplar)}\n"
            )


def _number(value: float) -> str:
    """A value; most are counts, and ``5.0`` for each of tens of thousands of them is two bytes too many."""
    if abs(value) < _LARGEST_WHOLE and value == int(value):
        return str(int(value))
    return _fraction(value)


def _labels(sample: Sample, escaped: dict[str, str]) -> str:
    if not sample.labels:
        return ""
    parts = []
    for key, value in sorted(sample.labels.items()):
        safe = escaped.get(value)
        if safe is None:
            safe = escaped[value] = value.translate(_ESCAPES)
        parts.append(f'{key}="{safe}"')
    return f"{{{','.join(parts)}}}"


def _of_exemplar(exemplar: Exemplar) -> str:
    labels = ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in exemplar.labels.items())
    at = "" if exemplar.timestamp is None else f" {exemplar.timestamp}"
    return f" # {{{labels}}} {_number(exemplar.value)}{at}"
