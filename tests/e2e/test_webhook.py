"""The installed service tells a receiver what it does to a guest, and ticks on while that is silent."""

from __future__ import annotations

import time
from pathlib import Path

from tests.fakes.quick_policy import quick_policy
from tests.fakes.receiver import receiving
from tests.fakes.running_service import running_service
from tests.fakes.scripted_folder import FolderGuest

POLICY = quick_policy().replace("vcpus: {min: 1", "vcpus: {min: 2")


def test_a_growth_is_told_from_its_beginning_to_its_end_and_nobody_waits_for_the_receiver(
    tmp_path: Path,
) -> None:
    (tmp_path / "guests").mkdir()
    with (
        receiving() as receiver,
        FolderGuest(tmp_path / "guests", "web-1"),
        running_service(
            tmp_path,
            f"qmp: {tmp_path}/guests",
            policy=POLICY,
            more=f'webhook: {{url: "{receiver.url}", timeout: 30s}}\n',
        ) as service,
    ):
        receiver.silent = True
        receiver.wait(lambda: receiver.tries == 1)
        ticks = service.get("/api/v1/status")["ticks"]
        time.sleep(3)
        assert service.get("/api/v1/status")["ticks"] >= ticks + 2
        assert service.stop() == 0
        receiver.silent = False
        service.start()
        service.wait_for_tick()
        assert service.ask("set", "web-1", "3", "--config.file", str(service.config)).returncode == 0
        receiver.wait(lambda: len(receiver.told) >= 2)
        assert service.stop() == 0
    begun, ended = receiver.told[:2]
    assert (begun["event"], begun["domain"], begun["to_vcpus"]) == ("begun", "web-1", 3)
    assert (ended["event"], ended["outcome"]) == ("ended", "done")
    assert ended["id"] == begun["id"]
    assert "s3cret" not in service.log.read_text()
