"""The end of the service's connections: bounded, and one host's hang costs no other host anything."""

from __future__ import annotations

import threading
import time

import pytest

from autoscaler.backends import closing
from autoscaler.backends.closing import HostClosing
from autoscaler.service.clock import SystemClock


def test_a_host_that_hangs_is_left_behind_and_told_and_the_others_are_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(closing, "PATIENCE_S", 0.3)
    hosts, closed, goes_on = HostClosing(SystemClock()), list[str](), threading.Event()
    hosts.of("hung").callback(goes_on.wait)
    for name in ("first", "second"):
        hosts.of("well").callback(closed.append, name)
    begun_s = time.monotonic()
    hosts.close()
    assert time.monotonic() - begun_s < 5.0
    assert closed == ["second", "first"]
    assert [record.message for record in caplog.records] == [
        "hung does not answer: its connections are left to end with this process"
    ]
    goes_on.set()


def test_what_closes_at_once_is_not_waited_for_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    hosts = HostClosing(SystemClock())
    hosts.of("well")
    begun_s = time.monotonic()
    hosts.close()
    assert time.monotonic() - begun_s < closing.PATIENCE_S
    assert caplog.records == []
