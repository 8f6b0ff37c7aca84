from __future__ import annotations

import threading

import pytest

from autoscaler.backends.libvirt.late import LateCalls


def test_a_call_in_time_gives_its_result() -> None:
    assert LateCalls(1).run(lambda: 42, patience_s=5) == 42


def test_an_error_of_the_call_is_the_callers() -> None:
    def fail() -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        LateCalls(1).run(fail, patience_s=5)


def test_a_late_call_keeps_its_place_until_it_ends() -> None:
    calls = LateCalls(1)
    release, ended = threading.Event(), threading.Event()

    def stuck() -> None:
        release.wait(10)
        ended.set()

    with pytest.raises(TimeoutError):
        calls.run(stuck, patience_s=0.05)
    with pytest.raises(TimeoutError):
        calls.run(lambda: 1, patience_s=5)

    assert calls.out == 1
    release.set()
    ended.wait(10)
    outcome = _once_there_is_a_place(calls)
    assert outcome == 1
    assert calls.out == 0


def _once_there_is_a_place(calls: LateCalls) -> int:
    for _ in range(1000):
        try:
            return calls.run(lambda: 1, patience_s=5)
        except TimeoutError:
            threading.Event().wait(0.01)
    raise AssertionError("the place was never given back")
