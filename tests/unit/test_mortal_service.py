"""The service that crash tests kill: none outlives its test, whatever went wrong in it."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import pytest

from tests.fakes import mortal_service
from tests.fakes.mortal_service import MortalService
from tests.fakes.quick_policy import QUICK_POLICY


def is_over(life: int, within_s: float) -> bool:
    """Whether a process has come to its end, or does so in time."""
    return bool(select.select([life], [], [], within_s)[0])


def test_a_life_that_nobody_heard_of_in_time_ends_with_its_test_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = MortalService(tmp_path)

    def begin_in_no_time() -> None:
        with service, monkeypatch.context() as patched:
            patched.setattr(mortal_service, "_PATIENCE_S", 0.0)
            service.begin()

    with pytest.raises(AssertionError, match="the service said nothing"):
        begin_in_no_time()
    assert service._process.returncode == -signal.SIGKILL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With all that a life needs."""
    (tmp_path / "guests").mkdir()
    (tmp_path / "policy.yaml").write_text(QUICK_POLICY)
    return tmp_path


def test_a_life_whose_number_is_not_known_ends_with_its_test(folder: Path) -> None:
    with MortalService(folder) as service:
        service.begin()
        life = os.pidfd_open(service.pid)
        service._pid = None
        assert not is_over(life, 0.0)
    assert is_over(life, 10.0)
    os.close(life)


def test_a_life_ends_with_whoever_began_it(folder: Path) -> None:
    service = MortalService(folder)
    service.begin()
    life = os.pidfd_open(service.pid)
    service._answers.close()
    service._process.wait(timeout=120.0)
    assert is_over(life, 10.0)
    os.close(life)
