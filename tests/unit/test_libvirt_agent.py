"""The agent channel over libvirt's own test driver, which has no agents; the e2e suite asks a real one."""

from __future__ import annotations

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import libvirt
import pytest

from autoscaler.backends.libvirt import agent as libvirt_agent
from autoscaler.backends.libvirt.agent import PLACES, PLACES_OF_SILENT, LibvirtAgentChannel
from autoscaler.core.model import DomainId
from autoscaler.errors import (
    AgentNonsense,
    AgentUnresponsive,
    BackendUnavailable,
    DomainBusy,
    DomainGone,
    NoChannel,
)
from tests.fakes.libvirt_domains import RealClock, pretend_domain

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


class LyingAgents:
    """Stands where libvirt's binding for QEMU does: hands on whatever an agent said."""

    def __init__(self, reply: str) -> None:
        self._reply = reply

    def qemuAgentCommand(  # noqa: N802 - libvirt's name
        self, _domain: object, _request: str, _timeout_s: int, _flags: int
    ) -> str:
        if not self._reply:
            return b"\xc3\x28".decode()
        return self._reply


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param('{"return": "' + "x" * 64 * 1024 * 1024 + '"}', id="64 MB"),
        pytest.param('{"return": ' + "[" * 200_000, id="200,000 deep"),
        pytest.param("", id="bad UTF-8"),
        pytest.param('{"return": "\\ud800"}', id="half a surrogate pair"),
        pytest.param('{"return": {"a": 1', id="half a reply"),
        pytest.param('{"return": NaN}', id="NaN"),
        pytest.param('{"return": ' + "9" * 5000 + "}", id="an integer of 5,000 digits"),
        pytest.param('{"return": 1} {"return": 2}', id="two replies"),
    ],
)
def test_what_libvirt_hands_on_of_a_hostile_agent_is_nonsense_and_costs_little(
    agents: LibvirtAgentChannel, monkeypatch: pytest.MonkeyPatch, reply: str
) -> None:
    monkeypatch.setattr(libvirt_agent, "libvirt_qemu", LyingAgents(reply))
    connection = libvirt.open("test:///default")
    domain = DomainId("host", connection.lookupByName("test").UUIDString())
    connection.close()
    tracemalloc.start()
    for _ in range(3):
        with pytest.raises(AgentNonsense, match="domain test answered guest-info"):
            agents.ask(domain, "guest-info", timeout_s=1)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 10 * 1024**2


class HungAgents:
    """Agents that answer, but for those named: they hang until they are let go, and have not answered."""

    def __init__(self) -> None:
        self.hung: set[str] = set()
        self.let_go = threading.Event()
        self.begun = threading.Semaphore(0)

    def qemuAgentCommand(  # noqa: N802 - libvirt's name
        self, domain: libvirt.virDomain, _request: str, _timeout_s: int, _flags: int
    ) -> str:
        if domain.name() not in self.hung:
            return '{"return": {}}'
        self.begun.release()
        assert self.let_go.wait(20)
        error = libvirt.libvirtError("guest agent is not responding")
        error.err = (libvirt.VIR_ERR_AGENT_UNRESPONSIVE, 0, "no answer", 2, None, None, None, 0, 0)
        raise error


@pytest.fixture
def administrator() -> Iterator[libvirt.virConnect]:
    connection = libvirt.open("test:///default")
    yield connection
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        if domain.name() != "test":
            domain.destroy()
    connection.close()


def test_however_many_agents_hang_those_that_answer_find_a_place(
    agents: LibvirtAgentChannel, administrator: libvirt.virConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = HungAgents()
    monkeypatch.setattr(libvirt_agent, "libvirt_qemu", binding)
    names = [f"hung-{number}" for number in range(PLACES + 3)]
    binding.hung = set(names)
    hung = [DomainId("host", administrator.createXML(pretend_domain(name), 0).UUIDString()) for name in names]
    well = DomainId("host", administrator.createXML(pretend_domain("well"), 0).UUIDString())

    def ask(domain: DomainId) -> type[Exception] | None:
        try:
            agents.ask(domain, "guest-ping", timeout_s=0.5)
        except (AgentUnresponsive, BackendUnavailable, DomainBusy) as error:
            return type(error)
        return None

    binding.let_go.set()
    with ThreadPoolExecutor(len(hung)) as pool:
        assert set(pool.map(ask, hung)) == {AgentUnresponsive}
        binding.let_go.clear()
        binding.begun = threading.Semaphore(0)
        asked = [pool.submit(ask, domain) for domain in hung]
        assert all(binding.begun.acquire(timeout=5) for _ in range(PLACES_OF_SILENT))
        try:
            assert agents.ask(well, "guest-ping", timeout_s=0.5) == {}
            assert not binding.begun.acquire(timeout=0.8), "more silent ones were let in"
        finally:
            binding.let_go.set()
        outcomes = [future.result(timeout=10) for future in asked]
    assert outcomes.count(AgentUnresponsive) == PLACES_OF_SILENT
    assert outcomes.count(BackendUnavailable) == len(hung) - PLACES_OF_SILENT


def test_an_agent_that_answers_again_has_a_place_as_any_other(
    agents: LibvirtAgentChannel, administrator: libvirt.virConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = HungAgents()
    monkeypatch.setattr(libvirt_agent, "libvirt_qemu", binding)
    domain = DomainId("host", administrator.createXML(pretend_domain("slow"), 0).UUIDString())
    binding.hung = {"slow"}
    binding.let_go.set()
    with pytest.raises(AgentUnresponsive):
        agents.ask(domain, "guest-ping", timeout_s=0.5)
    assert agents._silent == {domain}
    binding.hung = set()
    agents.ask(domain, "guest-ping", timeout_s=0.5)
    assert agents._silent == set()


def test_nothing_is_kept_of_a_silent_domain_that_is_gone(
    agents: LibvirtAgentChannel, administrator: libvirt.virConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = HungAgents()
    monkeypatch.setattr(libvirt_agent, "libvirt_qemu", binding)
    domain = DomainId("host", administrator.createXML(pretend_domain("gone"), 0).UUIDString())
    binding.hung = {"gone"}
    binding.let_go.set()
    with pytest.raises(AgentUnresponsive):
        agents.ask(domain, "guest-ping", timeout_s=0.5)
    agents.forget(domain)
    assert agents._silent == set()
