"""What the service says of itself when it begins."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from autoscaler.service.config import Config, Listen, QmpFolderConnection
from autoscaler.service.daemon import Service


def test_the_first_line_says_what_is_watched_and_where_the_metrics_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="autoscaler")
    (tmp_path / "policy.yaml").write_text("version: 1\npolicies: [{name: x, match: {name: [x]}}]\n")
    service = Service(
        Config(
            connections=(QmpFolderConnection(tmp_path),),
            policies=(tmp_path / "policy.yaml",),
            state=tmp_path / "state",
            listen=Listen("::1", 0),
        )
    )
    thread = threading.Thread(target=service.run)
    thread.start()
    while service.snapshot.tick == 0:
        time.sleep(0.01)
    service.stop()
    thread.join()
    greeting = f"watching qmp:{tmp_path} every 5 s; metrics at http://[::1]:{service.web.address[1]}/metrics"
    assert greeting in caplog.messages
