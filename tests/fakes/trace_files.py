"""Writes small trace files, one of every format."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from autoscaler.replay.reading.read import Reading, read_traces

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EXAMPLES = {
    "demand": "domain,timestamp_s,demand_vcpus\nweb,0,1\nweb,10,2\ndb,0,3\ndb,10,4\n",
    "utilization": "domain,timestamp_s,utilization_percent,vcpus\nweb,0,25,4\nweb,10,50,4\n",
    "epoch-cores": "ts,value\n1633478400,1\n1633478410,2\n",
    "dotted-cores": ("TIMESTAMP,CPU_USAGE_ACTUAL\n2023.04.02-00:09:00:000,1\n2023.04.02-00:09:10:000,2\n"),
    "dated-percent": "timestamp,value\n2014-05-14 01:14:00,12.5\n2014-05-14 01:14:10,25\n",
    "lasting": "vm,timestamp_s,duration_s,cpu_count,demand_vcpus\n7,20,10,4,1\n7,30,10,4,2\n",
    "requests": "100\n" * 10 + "200\n" * 10,
}
"""Two steps of 10 s each, of 1 and 2 vCPUs; percent are of `FULL_SCALE` vCPUs, a request costs `COST`."""
FULL_SCALE, COST = 8.0, 0.01


def csv_of(rows: Iterable[tuple[object, ...]], header: str = "domain,timestamp_s,demand_vcpus") -> str:
    """A file of those rows."""
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def written(folder: Path, content: str | bytes, name: str = "trace.csv") -> Path:
    """The path of a new file with that content."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def packed(text: str) -> bytes:
    """The text as gzip."""
    return gzip.compress(text.encode())


def read(*paths: Path, step_s: float = 10.0, seed: int = 1) -> Reading:
    """Read files that need nothing to be said of them."""
    return read_traces(paths, step_s=step_s, seed=seed)
