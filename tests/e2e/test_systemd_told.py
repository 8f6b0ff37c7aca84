"""The installed service as systemd hears it: one real process, one socket, from its start to its end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.notify_socket import NotifySocket, notify_socket
from tests.fakes.quick_policy import QUICK_POLICY
from tests.fakes.running_service import RunningService, running_service


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[NotifySocket]:
    with notify_socket(tmp_path) as manager:
        yield manager


@pytest.fixture
def service(tmp_path: Path, manager: NotifySocket) -> Iterator[RunningService]:
    (tmp_path / "guests").mkdir()
    prefix = ("env", f"NOTIFY_SOCKET={manager.path}", "WATCHDOG_USEC=60000000")
    with running_service(tmp_path, f"qmp: {tmp_path}/guests", prefix=prefix) as service:
        yield service


def but_the_watchdog(manager: NotifySocket) -> dict[str, str]:
    """The next message that is more than the watchdog's food."""
    while (message := manager.message()) == {"WATCHDOG": "1"}:
        pass
    return message


def test_systemd_hears_of_the_start_each_tick_a_reload_and_the_end(
    service: RunningService, manager: NotifySocket
) -> None:
    ready = manager.message()
    assert ready["READY"] == "1"
    assert ready["STATUS"] == f"watching qmp:{service.folder}/guests every 1 s"
    assert [manager.message() for _ in range(2)] == [{"WATCHDOG": "1"}] * 2
    service.policy.write_text(QUICK_POLICY.replace("hold: 3s", "hold: soon"))
    assert service.ask("reload", "--config.file", str(service.config)).returncode == 1
    assert "RELOADING" in but_the_watchdog(manager)
    assert but_the_watchdog(manager) == {"READY": "1"}
    service.process.send_signal(signal.SIGHUP)
    assert "RELOADING" in but_the_watchdog(manager)
    assert but_the_watchdog(manager) == {"READY": "1"}
    assert service.stop() == 0
    assert but_the_watchdog(manager) == {"STOPPING": "1"}
