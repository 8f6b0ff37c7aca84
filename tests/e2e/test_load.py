"""The load benchmark in small, so that it still runs when it is wanted; its figures judge nothing here."""

from __future__ import annotations

import re
import resource

import pytest

from tests.load.crowd import allow_files
from tests.load.load import Course, run


def test_a_small_load_is_measured_with_and_without_hung_agents() -> None:
    said: list[str] = []
    found = {it.name: it.values[0] for it in run(Course(20, 1.0, 3, hangs=True), said.append)}
    assert len(found) == 12
    assert {name.rpartition(".")[0] for name in found} == {"load.20.1s", "load.20.1s.hung"}
    assert found["load.20.1s.in-time"] > 50
    assert found["load.20.1s.hung.in-time"] > 50
    assert 0 < found["load.20.1s.cpu"] < 200
    assert 20 < found["load.20.1s.memory"] < 400


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
