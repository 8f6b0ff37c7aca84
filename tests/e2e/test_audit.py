"""The audit log of the running service, by the installed command: kept over a kill, and proved or not."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.running_service import RunningService, idle_service


@pytest.fixture
def service() -> Iterator[RunningService]:
    with idle_service() as service:
        yield service


def ask(service: RunningService, *arguments: str) -> subprocess.CompletedProcess[str]:
    return service.ask(*arguments, "--config.file", str(service.config))


def shown(service: RunningService) -> list[tuple[str, str]]:
    found = json.loads(ask(service, "audit", "show", "--output", "json").stdout)
    return [(entry["what"], entry["who"].partition(" (")[0]) for entry in found]


def test_who_ordered_and_who_loaded_policies_is_on_record_over_a_kill(service: RunningService) -> None:
    assert ask(service, "pause", "--all").returncode == 0
    assert ask(service, "reload").returncode == 0
    service.policy.write_text("version: 1\npolicies: [{name: broken}]\n")
    assert ask(service, "reload").returncode == 1
    service.stop(signal.SIGKILL)
    assert ask(service, "run").returncode == 1  # no policies, no service
    service.policy.write_text("version: 1\npolicies: [{name: web, match: {name: [web]}}]\n")
    service.start()
    service.wait_for_tick()
    assert ask(service, "resume", "--all").returncode == 0
    assert service.stop() == 0
    by_us = f"uid {Path('/proc/self').stat().st_uid}"
    assert [it for it in shown(service) if it[1] != "whoever changed the files"] == [
        ("started", "the service"),
        ("ordered", by_us),
        ("policies", by_us),
        ("policies", by_us),
        ("started", "the service"),
        ("resumed", by_us),
        ("stopped", "the service"),
    ]
    whole = ask(service, "audit", "verify")
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.startswith("whole: ")


def test_a_line_that_is_edited_while_the_service_runs_is_found(service: RunningService) -> None:
    assert ask(service, "pause", "--all").returncode == 0
    (file,) = (service.folder / "state" / "audit").iterdir()
    text = file.read_text()
    assert '"what":"ordered"' in text
    file.write_text(text.replace('"kind":"pause"', '"kind":"pauze"'))
    found = ask(service, "audit", "verify")
    assert found.returncode == 1
    assert "! edited: 000000000001.jsonl:2: line 2 was edited" in found.stdout


def test_the_newest_line_is_a_metric_and_so_is_whether_lines_can_be_written(service: RunningService) -> None:
    service.wait_for_metric("audit_lines", 1)
    service.wait_for_metric("audit_writable", 1)
