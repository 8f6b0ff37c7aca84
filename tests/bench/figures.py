"""What a benchmark prints: figures with their spread and the machine's facts, never a verdict."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoscaler.lab.accel import usable_accel


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured quantity."""

    name: str
    unit: str
    values: tuple[float, ...]

    def plain(self) -> dict[str, object]:
        """The JSON line; ``value`` is the median."""
        median = statistics.median(self.values)
        return {
            "name": self.name,
            "value": round(median, 4),
            "unit": self.unit,
            "median": round(median, 4),
            "min": round(min(self.values), 4),
            "max": round(max(self.values), 4),
            "runs": len(self.values),
            "machine": machine(),
        }


def figure(name: str, unit: str, values: Sequence[float]) -> Figure:
    """A figure of at least one value."""
    assert values, f"{name} was not measured"
    return Figure(name=name, unit=unit, values=tuple(values))


def machine() -> str:
    """What the figures were measured on, in one line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    return (
        f"{os.cpu_count()} x {model}, {memory_kib / 1024**2:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, guests by {usable_accel()}"
    )
