"""The whole service with its workers, sockets and web address, through some hundred busy ticks.

It holds no more files, threads and memory of its host at the end than half-way, though guests come, go, fall
silent and are scaled all the while, and people look, give orders and leave connections open.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest

from autoscaler.errors import AutoscalerError
from autoscaler.service.control_client import ask_control
from tests.fakes.crash_lab import LOADS, CrashLab
from tests.fakes.footprint import Footprint, footprint

ROUNDS = 36
WARM_ROUNDS = 24
"""At either all guests are there and answer."""
ROUND_S = 0.6
QUIET_S = 4.0
"""After a last round, so that what waits for a silent guest has come back."""
LOOKS = 30


def held_by(pid: int) -> Footprint:
    """The least of what it holds within some ticks, so that what is held for a moment does not count."""
    looks = []
    for _ in range(LOOKS):
        time.sleep(QUIET_S / LOOKS)
        looks.append(footprint(pid))
    return Footprint(
        resident_kib=min(look.resident_kib for look in looks),
        threads=min(look.threads for look in looks),
        descriptors=min(look.descriptors for look in looks),
    )


def _address(log: Path) -> str:
    """Where the service listens, as soon as it says so."""
    end_s = time.monotonic() + 20
    while not log.exists() or (found := re.search(r"http://\S+:\d+", log.read_text())) is None:
        assert time.monotonic() < end_s, "it did not begin"
        time.sleep(0.05)
    return found[0]


class Crowd:
    """Guests that change all the time, and the people around the service that watches them."""

    def __init__(self, lab: CrashLab) -> None:
        self._lab = lab
        self._control = lab.folder / "state" / "control.sock"
        self._server = _address(lab.service.log)
        self.looks = self.orders = 0

    def round(self, number: int) -> None:
        lab, passing, silent = self._lab, self._lab.guests[1], self._lab.guests[2]
        for guest in lab.guests:
            guest.load(lab.chance.choice(LOADS))
        (passing.stop if number % 4 == 1 else passing.boot if number % 4 == 3 else lambda: None)()
        (silent.agent.stop if number % 6 == 2 else silent.agent.start if number % 6 == 5 else lambda: None)()
        with contextlib.suppress(AutoscalerError):
            verb = "pause" if number % 2 else "resume"
            ask_control(self._control, verb, domain="thrifty")
            self.orders += 1
        self._look()

    def _look(self) -> None:
        host, port = self._server.removeprefix("http://").split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(20)]
        for page in ("/metrics", "/api/v1/domains", "/api/v1/decisions", "/no/such/page"):
            with contextlib.suppress(OSError):
                try:
                    with build_opener(ProxyHandler({})).open(self._server + page) as answer:
                        self.looks += len(answer.read()) > 0
                except HTTPError as refused:
                    refused.close()
        for connection in idle:
            connection.close()


@pytest.mark.timeout(240)
def test_hundreds_of_busy_ticks_leave_nothing_behind(tmp_path: Path) -> None:
    with CrashLab(tmp_path, seed=9) as lab:
        lab.service.begin()
        crowd, halfway = Crowd(lab), None
        for number in range(ROUNDS):
            crowd.round(number)
            time.sleep(ROUND_S)
            if number + 1 == WARM_ROUNDS:
                time.sleep(QUIET_S)
                halfway = held_by(lab.service.pid)
        time.sleep(QUIET_S)
        last = held_by(lab.service.pid)
        assert halfway is not None
        assert last.descriptors <= halfway.descriptors
        assert last.threads <= halfway.threads
        assert last.resident_kib < halfway.resident_kib + 4096
        assert crowd.looks > ROUNDS
        assert crowd.orders > ROUNDS / 2
        assert not lab.service.is_over
