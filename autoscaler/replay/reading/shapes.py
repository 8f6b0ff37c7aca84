"""The closed list of formats, each as what its columns mean.

Invariant: no header fits two shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from autoscaler.replay.findings import TraceError, shown
from autoscaler.replay.reading.cells import Parse, dated, dotted, number

if TYPE_CHECKING:
    from autoscaler.replay.findings import Problems


class Unit(Enum):
    """What a value counts."""

    VCPUS = "vCPUs"
    PERCENT = "percent of a full scale"
    REQUESTS = "requests in a second"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One format; columns by their names in the header."""

    name: str
    """What it is called on the command line."""
    source: str
    """Who writes it."""
    domain: str | None = None
    """None: the whole file is one domain, named by the file."""
    time: str | None
    """None: each row is a second, from 0."""
    clock: Parse = number
    value: str
    unit: Unit
    lasting: str | None = None
    """For how long the value held, up to the row's time; None: it holds from the row's time to the next."""
    scale: str | None = None
    """vCPUs that 100 % are; where the column is missing, the full scale that the caller states."""
    had: str | None = None
    """VCPUs that the domain had."""
    limit: str | None = None
    """The most vCPUs that the domain can have."""
    optional: frozenset[str] = frozenset()
    """Those of the columns that may be missing."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column, in the order in which it is documented; the optional ones last."""
        named = (self.domain, self.time, self.lasting, self.value, self.scale, self.had, self.limit)
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @property
    def required(self) -> frozenset[str]:
        """Those without which nothing can be read."""
        return frozenset(self.columns) - self.optional


REQUESTS = Shape(
    name="requests",
    source="load generators: the requests of a second, a whole number a line, without a header",
    time=None,
    value="requests",
    unit=Unit.REQUESTS,
)

SHAPES = (
    Shape(
        name="demand",
        source="this project: demand in vCPUs",
        domain="domain",
        time="timestamp_s",
        value="demand_vcpus",
        unit=Unit.VCPUS,
        limit="maximum",
        optional=frozenset({"maximum"}),
    ),
    Shape(
        name="utilization",
        source="this project: percent of a full scale, which a column or the caller states",
        domain="domain",
        time="timestamp_s",
        value="utilization_percent",
        unit=Unit.PERCENT,
        scale="vcpus",
        had="vcpus",
        limit="maximum",
        optional=frozenset({"vcpus", "maximum"}),
    ),
    Shape(
        name="epoch-cores",
        source="exports of Prometheus as gocrane keeps them: seconds since the epoch, cores",
        time="ts",
        value="value",
        unit=Unit.VCPUS,
    ),
    Shape(
        name="dotted-cores",
        source="the container series of Microsoft's vasim: dates with dots, cores",
        time="TIMESTAMP",
        clock=dotted,
        value="CPU_USAGE_ACTUAL",
        unit=Unit.VCPUS,
    ),
    Shape(
        name="dated-percent",
        source="the Numenta Anomaly Benchmark's CloudWatch series: dates, percent",
        time="timestamp",
        clock=dated,
        value="value",
        unit=Unit.PERCENT,
    ),
    Shape(
        name="lasting",
        source="subsets of the Grid Workloads Archive's GWA-T-12: demand over the time before each row",
        domain="vm",
        time="timestamp_s",
        lasting="duration_s",
        value="demand_vcpus",
        unit=Unit.VCPUS,
        had="cpu_count",
    ),
    REQUESTS,
)
SHAPE_NAMES = tuple(shape.name for shape in SHAPES)


def shape_named(name: str) -> Shape:
    """The shape of a name.

    Raises:
        TraceError: there is none.
    """
    for shape in SHAPES:
        if shape.name == name:
            return shape
    raise TraceError(f"no format is called {shown(name)}; there are {', '.join(SHAPE_NAMES)}")


def recognise(header: tuple[str, ...], place: str, forced: Shape | None, problems: Problems) -> Shape | None:
    """The shape of a file with that header; None: there is none, and the problems say why.

    A forced shape takes the columns that it needs and leaves the others; one that is recognised leaves none.
    """
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        problems.add(place, 1, f"two columns are called {shown(twice[0])}")
        return None
    names = set(header)
    if forced is not None:
        missing = sorted(forced.required - names) if forced is not REQUESTS else ()
        if missing:
            problems.add(place, 1, f"as {forced.name} the header needs {', '.join(missing)}: {_told(header)}")
            return None
        return forced
    if len(header) == 1 and header[0].isdecimal():
        return REQUESTS
    for shape in SHAPES:
        if shape is not REQUESTS and shape.required <= names <= set(shape.columns):
            return shape
    problems.add(place, 1, _unknown(header))
    return None


def _unknown(header: tuple[str, ...]) -> str:
    names = set(header)
    if len(names & {"demand_vcpus", "utilization_percent"}) > 1:
        return "the header has demand in vCPUs and in percent; keep the one that was measured"
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(header) == 1 and mark in header[0]:
            return f"fields are separated by {name}; commas are wanted"
    for shape in SHAPES:
        if shape.required <= names:
            more = ", ".join(sorted(map(shown, names - set(shape.columns))))
            return f"{shape.name} has no column {more}; with --format {shape.name} it is left aside"
    known = "; ".join(",".join(shape.columns) for shape in SHAPES if shape is not REQUESTS)
    return f"no known format has the header {_told(header)}; these are known: {known}"


def _told(header: tuple[str, ...]) -> str:
    return shown(",".join(header))
