"""The service that crash tests kill: none outlives its test, whatever went wrong in it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.fakes import mortal_service
from tests.fakes.mortal_service import MortalService
from tests.fakes.quick_policy import QUICK_POLICY


def runs(pid: int) -> bool:
    """Whether a process is there that is more than a status nobody has asked for yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


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


def test_a_life_whose_number_is_not_known_ends_with_its_test(tmp_path: Path) -> None:
    (tmp_path / "guests").mkdir()
    (tmp_path / "policy.yaml").write_text(QUICK_POLICY)
    with MortalService(tmp_path) as service:
        service.begin()
        pid, service._pid = service.pid, None
        assert runs(pid)
    assert not runs(pid)
