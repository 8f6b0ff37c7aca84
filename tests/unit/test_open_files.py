"""What is said and done where a process may have too few files open for its guests."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler.backends.address import UnixAddress
from autoscaler.backends.agent.channel_errors import connect_failed
from autoscaler.backends.qmp.session import LinkDownError, QmpSession
from autoscaler.cli import run
from autoscaler.errors import BackendUnavailable
from tests.fakes.scripted_qmp import ScriptedQmp


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield limits
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_guest_for_whose_monitor_no_file_is_left_is_told_with_what_to_raise(
    tmp_path: Path, limits: tuple[int, int]
) -> None:
    async def opened() -> None:
        session = QmpSession(UnixAddress(str(tmp_path / "qmp.sock")), lambda _: None)
        next_file = os.open("/dev/null", os.O_RDONLY)
        os.close(next_file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_file, limits[1]))
        with pytest.raises(LinkDownError, match="raise LimitNOFILE= of its systemd unit"):
            await session.open(timeout_s=5.0)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    with ScriptedQmp(path=tmp_path / "qmp.sock"):
        asyncio.run(opened())


def test_a_guest_for_whose_agent_no_file_is_left_is_told_with_what_to_raise() -> None:
    error = connect_failed(
        OSError(errno.EMFILE, "Too many open files"), UnixAddress("/run/agent.sock"), "web"
    )
    assert isinstance(error, BackendUnavailable)
    assert "raise LimitNOFILE= of its systemd unit" in str(error)


def test_the_service_may_have_as_many_files_open_as_its_hard_limit_allows(limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
    run._allow_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(run.FILES, limits[1]), limits[1])
