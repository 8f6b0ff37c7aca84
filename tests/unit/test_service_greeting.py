"""What the service says of itself when it begins."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from autoscaler.service.config import Config, Listen, QmpFolderConnection
from autoscaler.service.daemon import Service
from tests.fakes.certificates import Authority

PATIENCE_S = 20.0


def ended_after(tmp_path: Path, until: Callable[[Service], bool], **more: object) -> Service:
    """A service that has run until something was so."""
    (tmp_path / "policy.yaml").write_text("version: 1\npolicies: [{name: x, match: {name: [x]}}]\n")
    service = Service(
        Config(
            connections=(QmpFolderConnection(tmp_path),),
            policies=(tmp_path / "policy.yaml",),
            state=tmp_path / "state",
            listen=Listen("::1", 0),
            **more,  # type: ignore[arg-type]
        )
    )
    thread = threading.Thread(target=service.run)
    thread.start()
    end_s = time.monotonic() + PATIENCE_S
    while not (over := until(service)) and time.monotonic() < end_s:
        time.sleep(0.01)
    service.stop()
    thread.join()
    assert over
    return service


def test_the_first_line_says_what_is_watched_and_where_the_metrics_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="autoscaler")
    service = ended_after(tmp_path, lambda service: service.snapshot.tick > 0)
    greeting = f"watching qmp:{tmp_path} every 5 s; metrics at http://[::1]:{service.web.address[1]}/metrics"
    assert greeting in caplog.messages


def test_with_a_file_of_the_web_server_it_speaks_tls_and_tells_that_an_edit_is_broken(tmp_path: Path) -> None:
    authority, web_file = Authority(tmp_path), tmp_path / "web.yaml"
    authority.sign("web")
    web_file.write_text("tls_server_config: {cert_file: web.crt, key_file: web.key}\n")

    def broken_and_told(service: Service) -> bool:
        if service.snapshot.tick and web_file.exists():
            found = httpx.get(f"{service.web.url}/-/ready", verify=authority.trusting(), trust_env=False)
            assert found.text == "READY\n"
            web_file.unlink()
        return "web" in service.snapshot.troubles

    service = ended_after(tmp_path, broken_and_told, web_config_file=web_file, interval_s=0.2)
    assert service.web.url.startswith("https://[::1]:")
