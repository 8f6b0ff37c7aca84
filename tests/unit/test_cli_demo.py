"""The summary of a demonstration, as a newcomer reads it."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from autoscaler.backends.reached import Versions
from autoscaler.cli.demo import summarise
from autoscaler.lab.demo_story import Backend, Move, Report

GROWTH = Move(
    at_s=6.0,
    from_vcpus=1,
    to_vcpus=3,
    reason="demand-high",
    stages_s={"accepted": 0.02, "present": 0.33, "online": 1.65, "relieved": 2.0},
    outcome="done",
)
SHRINK = replace(GROWTH, at_s=23.0, from_vcpus=3, to_vcpus=1, reason="demand-low", stages_s={"online": 0.08})
REPORT = Report(
    backend=Backend.QMP,
    accel="tcg",
    versions=Versions(qemu="7.2.22", libvirt=None, agent="7.2.22"),
    moves=(GROWTH, SHRINK),
    plugged_max=3,
    online_max=3,
    online_end=1,
    metrics_url="http://127.0.0.1:1/metrics",
    metrics_samples=272,
    held_back=None,
)


def told(report: Report) -> str:
    console = Console(file=io.StringIO(), width=120)
    summarise(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_each_move_is_told_with_its_reason_and_the_time_of_each_stage() -> None:
    lines = told(REPORT).splitlines()
    (growth,) = (line.split() for line in lines if "1 -> 3" in line)
    assert growth[:5] == ["6.0", "s", "1", "->", "3"]
    assert " ".join(growth[5:]) == "demand needs more vCPUs 0.02 s 0.33 s 1.65 s 2.00 s"
    (shrink,) = (line for line in lines if "3 -> 1" in line)
    assert shrink.split()[-5:] == ["-", "-", "0.08", "s", "-"]
    assert "Metrics were at http://127.0.0.1:1/metrics: 272 samples in the last scrape." in lines
    assert any(line.startswith("What next:") for line in lines)
    assert "did not go" not in told(REPORT)


def test_a_guest_that_was_not_changed_is_told_why_and_without_an_empty_table() -> None:
    text = told(
        replace(REPORT, moves=(), online_max=1, held_back="this host withheld 40% of its vCPUs' time")
    )
    assert "The service did not change the guest." in text
    assert "accepted" not in text
    assert "It did not go as it should: this host withheld 40% of its vCPUs' time." in text
