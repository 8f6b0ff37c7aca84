"""The manual of traces: its examples can be read, and its tables are whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autoscaler.replay.generate import Kind
from autoscaler.replay.reading.prometheus_metrics import METRICS
from autoscaler.replay.reading.shapes import SHAPES
from tests.fakes.trace_files import read, written

MANUAL = (Path(__file__).parents[2] / "policies" / "replay.md").read_text()


@pytest.mark.parametrize("example", re.findall(r"```csv\n(.*?)```", MANUAL, re.DOTALL))
def test_every_example_is_a_trace_without_a_fault(tmp_path: Path, example: str) -> None:
    reading = read(written(tmp_path, example))

    assert reading.traces[0].demand_vcpus.tolist() == [1.25, 1.5]
    assert reading.repairs == ()


def table(heading: str) -> dict[str, str]:
    """The first two columns of the table under a heading."""
    text = re.split(r"\n#+ ", MANUAL.partition(f"# {heading}\n")[2])[0]
    cells = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| `")]
    return {name.strip().strip("`"): value.strip().strip("`") for name, value in cells}


def test_every_format_is_told_with_its_header() -> None:
    needed = {s.name: set(s.columns) - s.optional if s.time else {"none"} for s in SHAPES}

    assert {
        name: set(header.split(",")) for name, header in table("Other formats that are read").items()
    } == needed


def test_every_metric_is_told() -> None:
    assert table("Prometheus") == {metric.name: metric.metric for metric in METRICS}


def test_every_kind_of_generated_demand_is_told() -> None:
    assert list(table("Demand of our own making")) == list(Kind)
