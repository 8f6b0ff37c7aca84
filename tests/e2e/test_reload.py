"""The installed service is told of other policies: by their files, by the command, by a signal."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.quick_policy import QUICK_POLICY
from tests.fakes.running_service import COMMAND, RunningService, idle_service

SLOWER = QUICK_POLICY.replace("hold: 3s", "hold: 4s")
BROKEN = QUICK_POLICY.replace("hold: 3s", "hold: soon")


@pytest.fixture
def service() -> Iterator[RunningService]:
    """A service that watches an empty folder of guests."""
    with idle_service() as service:
        yield service


def reload(service: RunningService, *arguments: str) -> subprocess.CompletedProcess[str]:
    return service.ask("reload", "--config.file", str(service.config), *arguments)


def logged(service: RunningService, text: str, *, times: int = 1) -> None:
    """Wait until the log says something so often."""
    end_s = time.monotonic() + 20
    while service.log.read_text().count(text) < times:
        assert time.monotonic() < end_s, service.log.read_text()
        time.sleep(0.05)


def renamed_over(path: Path, text: str) -> None:
    new = path.with_name(".new")
    new.write_text(text)
    new.rename(path)


def test_a_file_that_is_saved_comes_into_force_by_itself(service: RunningService) -> None:
    renamed_over(service.policy, SLOWER)
    logged(service, "INFO policies reloaded: quick changed")
    renamed_over(service.policy, QUICK_POLICY)
    logged(service, "INFO policies reloaded: quick changed", times=2)
    assert service.metric('policy_reloads_total{result="success"}') == 3


def test_a_broken_edit_is_told_once_by_the_service_and_again_to_who_asks(service: RunningService) -> None:
    renamed_over(service.policy, BROKEN)
    place = f"{service.policy}:6:{BROKEN.splitlines()[5].index('soon') + 1}: "
    logged(service, f"ERROR {place}")
    time.sleep(1)
    assert service.log.read_text().count(place) == 1
    assert service.metric("policy_reload_successful") == 0
    asked = reload(service)
    assert asked.returncode == 1
    assert asked.stderr.startswith(f"{place}error: ")
    assert "the last good set stays in force" in asked.stderr
    renamed_over(service.policy, SLOWER)
    logged(service, "INFO policies reloaded: quick changed")
    assert service.metric("policy_reload_successful") == 1
    assert reload(service).stdout == "nothing changed; 0 running domains governed otherwise now\n"


def test_a_hangup_reads_them_again_too(service: RunningService) -> None:
    service.process.send_signal(signal.SIGHUP)
    logged(service, "INFO policies reloaded: nothing changed")


def test_the_command_has_its_answer_for_programs(service: RunningService) -> None:
    answer = json.loads(reload(service, "--output", "json").stdout)
    assert answer["in_force"] is True
    assert answer["domains"] == 0
    assert answer["changes"] == {"added": [], "removed": [], "changed": [], "keys": {}, "reordered": False}
    logged(service, "INFO control: uid ")


def test_the_socket_comes_and_goes_with_the_service_and_outlives_a_kill(service: RunningService) -> None:
    path = service.folder / "state" / "control.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    service.stop(signal.SIGKILL)
    asked = reload(service)
    assert asked.returncode == 1
    assert f"no autoscaler listens at {path}" in asked.stderr
    service.start()
    service.wait_for_tick()
    assert reload(service).returncode == 0
    assert service.stop() == 0
    assert not path.exists()
    assert reload(service).returncode == 1


def test_a_state_directory_too_long_for_its_socket_is_told_at_the_start(service: RunningService) -> None:
    service.stop()
    service.config.write_text(service.config.read_text().replace("state: state", f"state: {'x' * 100}"))
    asked = subprocess.run(
        (COMMAND, "run", "--config.file", service.config),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert asked.returncode == 1
    assert "set a shorter one with the key 'state'" in asked.stderr.splitlines()[-1]
    assert "Traceback" not in asked.stderr
