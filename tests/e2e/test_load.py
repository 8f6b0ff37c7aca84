"""The load benchmark in small, so that it still runs when it is wanted; its figures judge nothing here."""

from __future__ import annotations

import re
import resource

import pytest

from tests.load.crowd import allow_files
from tests.load.load import Course, run


def test_a_small_load_is_measured_as_installed_beside_a_real_guest_and_with_hung_agents() -> None:
    said: list[str] = []
    course = Course(20, 1.0, 3, real=1, hangs=True)
    found = {it.name: it.values[0] for it in run(course, said.append)}
    for stage in ("load.20.1s", "load.20.1s.real", "load.20.1s.hung"):
        assert found[f"{stage}.in-time"] > 50
        for process in ("service", "actuator"):
            assert 0 < found[f"{stage}.{process}.cpu"] < 200
            assert 10 < found[f"{stage}.{process}.memory"] < 400
    assert found["load.20.1s.real.guests.in-time"] > 50
    assert len(found) == 3 * 8 + 2


def test_a_service_without_an_actuator_is_measured_alone() -> None:
    found = {it.name for it in run(Course(10, 1.0, 3, alone=True), lambda _: None)}
    assert {name for name in found if name.endswith(".cpu")} == {"load.10.1s.alone.service.cpu"}


def test_a_limit_of_open_files_that_is_too_low_ends_it_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    with pytest.raises(SystemExit, match=re.escape("1000 guests need 2200 open files")) as ended:
        allow_files(1000)
    assert "`ulimit -n 2200`" in str(ended.value)


def test_a_limit_that_may_be_raised_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[object] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    allow_files(1000)
    assert raised == [(2200, 4096)]
