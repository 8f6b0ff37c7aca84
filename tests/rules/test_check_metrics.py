"""What promtool says of the metrics themselves, and that the manual has each as it is."""

from __future__ import annotations

import re

import pytest

from autoscaler.service.snapshot import Snapshot
from tests.fakes.examples import SNAPSHOT
from tests.fakes.full_metrics import FULL, metrics_of
from tests.fakes.promtool import promtool
from tests.rules.asked import SHIPPED

FIRST_OF_SEVERAL = {"histogram": "_count"}


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param(Snapshot(wall_s=0.0, tick=0), id="before the first tick"),
        pytest.param(SNAPSHOT, id="a healthy domain"),
        pytest.param(FULL, id="everything at once"),
    ],
)
def test_promtool_finds_nothing_to_say_of_the_metrics(snapshot: Snapshot) -> None:
    found = promtool("check", "metrics", stdin=metrics_of(snapshot))
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_the_manual_has_every_metric_with_its_type_its_labels_and_what_it_says() -> None:
    """Queries, alerts and dashboards of others are built upon these names."""
    served = metrics_of(FULL)
    rows = set()
    for name, kind in re.findall(r"^# TYPE (vcpu_autoscaler_\w+) (\w+)$", served, re.MULTILINE):
        series = re.findall(rf"^{name}{FIRST_OF_SEVERAL.get(kind, '')}(?:{{(.*)}})? ", served, re.MULTILINE)
        (labels,) = {", ".join(re.findall(r'(\w+)="', found)) for found in series}
        (told,) = re.findall(rf"^# HELP {name} (.*)$", served, re.MULTILINE)
        rows.add((name, kind, labels, told))
    manual = re.findall(
        r"^\| `(vcpu_autoscaler_\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$",
        (SHIPPED / "README.md").read_text(),
        re.MULTILINE,
    )
    assert sorted(manual) == sorted(rows)
