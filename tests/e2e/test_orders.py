"""The kill switch by the installed command: given, shown, kept over a restart, ended."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.fakes.running_service import RunningService, idle_service


@pytest.fixture
def service() -> Iterator[RunningService]:
    with idle_service() as service:
        yield service


def order(service: RunningService, *arguments: str) -> subprocess.CompletedProcess[str]:
    return service.ask(*arguments, "--config.file", str(service.config))


def test_a_pause_of_all_outlives_a_kill_and_is_shown_until_it_is_ended(service: RunningService) -> None:
    paused = order(service, "pause", "--all", "--for", "2h")
    assert (paused.returncode, paused.stderr) == (0, "")
    assert paused.stdout.startswith("every domain is paused until 2")
    assert f"Ordered: {paused.stdout}" in service.ask("status").stdout
    service.stop(signal.SIGKILL)
    service.start()
    service.wait_for_tick()
    assert f"Ordered: {paused.stdout}" in service.ask("list").stdout
    (shown,) = service.get("/api/v1/status")["orders"]
    assert (shown["kind"], shown["domain"], shown["until_wall_s"] - shown["at_wall_s"]) == (
        "pause",
        None,
        7200,
    )
    resumed = order(service, "resume", "--all", "--output", "json")
    assert json.loads(resumed.stdout)["recorded"] is True
    assert service.get("/api/v1/status")["orders"] == []


def test_an_order_for_a_domain_that_is_not_there_is_refused_in_a_sentence(service: RunningService) -> None:
    refused = order(service, "set", "web-1", "2")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("autoscaler: no running domain is called 'web-1': ")
