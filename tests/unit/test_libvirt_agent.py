"""The agent channel over libvirt's own test driver, which has no agents; the e2e suite asks a real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libvirt
import pytest

from autoscaler.backends.libvirt.agent import LibvirtAgentChannel
from autoscaler.core.model import DomainId
from autoscaler.ports import BackendUnavailable, DomainGone, NoChannel
from tests.fakes.libvirt_domains import RealClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def agents() -> Iterator[LibvirtAgentChannel]:
    agents = LibvirtAgentChannel("test:///default", clock=RealClock())
    yield agents
    agents.close()


def test_a_driver_without_agents_has_none_for_any_domain(agents: LibvirtAgentChannel) -> None:
    connection = libvirt.open("test:///default")
    domain = DomainId("host", connection.lookupByName("test").UUIDString())

    with pytest.raises(NoChannel, match="domain test has no guest agent channel"):
        agents.ask(domain, "guest-ping", timeout_s=1)

    connection.close()


def test_a_domain_that_is_not_there_is_gone(agents: LibvirtAgentChannel) -> None:
    unknown = "00000000-0000-0000-0000-000000000001"

    with pytest.raises(DomainGone, match=unknown):
        agents.ask(DomainId("host", unknown), "guest-ping", timeout_s=1)


def test_failures_leave_every_place_free_for_the_next_call(agents: LibvirtAgentChannel) -> None:
    for _ in range(30):
        with pytest.raises(DomainGone):
            agents.ask(DomainId("host", "00000000-0000-0000-0000-000000000001"), "guest-ping", timeout_s=0.5)


def test_a_daemon_that_is_not_there_is_told_as_by_the_hypervisor(tmp_path: Path) -> None:
    agents = LibvirtAgentChannel(f"qemu+unix:///system?socket={tmp_path}/s", clock=RealClock())

    with pytest.raises(BackendUnavailable, match="systemctl start"):
        agents.ask(DomainId("host", "00000000-0000-0000-0000-000000000001"), "guest-ping", timeout_s=1)
