"""The queries that the manual shows are about series that the service has."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from autoscaler.service.instruments import Instruments
from autoscaler.service.metrics import SnapshotCollector
from tests.fakes.examples import SNAPSHOT

MANUAL = Path(__file__).parents[2] / "grafana" / "README.md"


def test_every_metric_in_the_manual_is_served() -> None:
    registry = CollectorRegistry()
    Instruments(registry)
    registry.register(SnapshotCollector(lambda: SNAPSHOT))
    families = set(re.findall(r"^# TYPE (\S+)", generate_latest(registry).decode(), re.MULTILINE))
    named = set(re.findall(r"vcpu_autoscaler_\w+", MANUAL.read_text()))
    assert len(named) > 10
    assert {name.removesuffix("_bucket") for name in named} <= families
