"""What befalls a domain in its life besides its load, under a real libvirtd: vCPUs are added all the same."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import libvirt
import libvirt_qemu
import pytest

from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor
from autoscaler.core.model import DomainEvent, DomainEventKind, DomainId, DomainView, RunState
from autoscaler.errors import Denied
from tests.fakes.libvirt_daemon import LibvirtDaemon, administering, passing_libvirt_daemon
from tests.fakes.libvirt_domains import RealClock, bare_qemu_domain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a private libvirtd needs root")

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
TOPOLOGY = "<cpu><topology sockets='{}' cores='{}' threads='{}'/></cpu><devices>"


@pytest.fixture(scope="module")
def daemon() -> Iterator[LibvirtDaemon]:
    with passing_libvirt_daemon() as daemon:
        yield daemon


@pytest.fixture
def administrator(daemon: LibvirtDaemon) -> Iterator[libvirt.virConnect]:
    with administering(daemon) as connection:
        yield connection


@pytest.fixture
def hypervisor(daemon: LibvirtDaemon) -> Iterator[LibvirtHypervisor]:
    hypervisor = LibvirtHypervisor(daemon.uri, clock=RealClock(), label="host")
    yield hypervisor
    hypervisor.close()


def started(
    administrator: libvirt.virConnect, name: str, *changes: tuple[str, str]
) -> tuple[libvirt.virDomain, DomainId]:
    """A persistent domain without an operating system, 1 of 4 vCPUs, with its XML changed like this."""
    xml = bare_qemu_domain(name)
    for old, new in changes:
        assert old in xml
        xml = xml.replace(old, new)
    domain = administrator.defineXML(xml)
    domain.create()
    return domain, DomainId("host", domain.UUIDString())


def view_of(hypervisor: LibvirtHypervisor, domain: DomainId) -> DomainView:
    return next(view for view in hypervisor.domains() if view.id == domain)


def until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param((), id="q35"),
        pytest.param((("machine='q35'", "machine='pc'"),), id="pc"),
        pytest.param((("<devices>", TOPOLOGY.format(1, 4, 1)),), id="cores"),
        pytest.param((("<devices>", TOPOLOGY.format(1, 2, 2)),), id="cores and threads"),
        pytest.param((("<devices>", TOPOLOGY.format(4, 1, 1)),), id="sockets"),
    ],
)
def test_vcpus_are_added_one_by_one_whatever_the_machine_and_its_topology(
    administrator: libvirt.virConnect, hypervisor: LibvirtHypervisor, changes: tuple[tuple[str, str], ...]
) -> None:
    _, id_ = started(administrator, "shaped", *changes)
    for count in (2, 3, 4):
        hypervisor.plug(id_, expect=count - 1, target=count)
        assert view_of(hypervisor, id_).plugged == count
    with pytest.raises(Denied, match="its maximum is 4"):
        hypervisor.plug(id_, expect=4, target=5)


def test_pinned_vcpus_stay_pinned_when_others_are_added(
    administrator: libvirt.virConnect, hypervisor: LibvirtHypervisor
) -> None:
    pinning = "<cputune><vcpupin vcpu='0' cpuset='0'/><vcpupin vcpu='1' cpuset='0'/></cputune><os>"
    domain, id_ = started(administrator, "pinned", ("<os>", pinning))
    hypervisor.plug(id_, expect=1, target=3)
    pins = domain.vcpuPinInfo(LIVE)
    assert [pin[0] for pin in pins[:2]] == [True, True]
    assert not any(pins[0][1:]), "the first is still on CPU 0 alone"
    assert not any(pins[1][1:]), "and so is the one that was added"


def test_a_domain_that_is_suspended_is_seen_so_and_goes_on_with_what_it_was_given(
    administrator: libvirt.virConnect, hypervisor: LibvirtHypervisor
) -> None:
    domain, id_ = started(administrator, "suspended")
    domain.suspend()
    assert view_of(hypervisor, id_).state is RunState.PAUSED
    hypervisor.plug(id_, expect=1, target=2)
    domain.resume()
    view = view_of(hypervisor, id_)
    assert (view.state, view.plugged) == (RunState.RUNNING, 2)


def test_a_domain_that_was_saved_comes_back_with_its_vcpus_and_grows_on(
    administrator: libvirt.virConnect, hypervisor: LibvirtHypervisor
) -> None:
    domain, id_ = started(administrator, "saved")
    hypervisor.plug(id_, expect=1, target=3)
    domain.managedSave()
    assert id_ not in {view.id for view in hypervisor.domains()}
    domain.create()
    assert view_of(hypervisor, id_).plugged == 3
    hypervisor.plug(id_, expect=3, target=4)
    assert view_of(hypervisor, id_).plugged == 4


def test_a_reset_keeps_what_was_plugged_and_a_fresh_start_has_what_is_configured(
    administrator: libvirt.virConnect, hypervisor: LibvirtHypervisor
) -> None:
    domain, id_ = started(administrator, "reset")
    hypervisor.plug(id_, expect=1, target=3)
    domain.reset()
    assert view_of(hypervisor, id_).plugged == 3
    domain.destroy()
    domain.create()
    assert view_of(hypervisor, id_).plugged == 1


def test_a_guest_that_panicked_and_is_kept_is_seen_so_and_one_that_is_started_again_is_served(
    administrator: libvirt.virConnect, hypervisor: LibvirtHypervisor
) -> None:
    panic_device = ("<devices>", "<on_crash>preserve</on_crash><devices><panic model='isa'/>")
    domain, id_ = started(administrator, "crashed", panic_device)
    hypervisor.plug(id_, expect=1, target=2)
    libvirt_qemu.qemuMonitorCommand(domain, "o /b 0x505 1", libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
    until(lambda: view_of(hypervisor, id_).state is RunState.OTHER)
    assert domain.state()[0] == libvirt.VIR_DOMAIN_CRASHED
    assert view_of(hypervisor, id_).plugged == 2
    domain.destroy()
    domain.create()
    assert (view_of(hypervisor, id_).state, view_of(hypervisor, id_).plugged) == (RunState.RUNNING, 1)
    hypervisor.plug(id_, expect=1, target=3)
    assert view_of(hypervisor, id_).plugged == 3


def test_a_domain_whose_qemu_dies_is_gone_and_one_that_is_started_again_is_served(
    administrator: libvirt.virConnect, daemon: LibvirtDaemon, hypervisor: LibvirtHypervisor
) -> None:
    heard: list[DomainEvent] = []
    hypervisor.subscribe(heard.append)
    domain, id_ = started(administrator, "killed")
    hypervisor.plug(id_, expect=1, target=2)
    assert view_of(hypervisor, id_).plugged == 2  # events are heard from the first look on
    daemon.end_guest("killed")
    until(lambda: id_ not in {view.id for view in hypervisor.domains()})
    until(lambda: any(event.domain == id_ and event.kind is DomainEventKind.STOPPED for event in heard))
    domain.create()
    hypervisor.plug(id_, expect=1, target=3)
    assert view_of(hypervisor, id_).plugged == 3


def test_a_domain_that_is_undefined_while_it_runs_is_served_until_it_ends(
    administrator: libvirt.virConnect, hypervisor: LibvirtHypervisor
) -> None:
    domain, id_ = started(administrator, "undefined")
    domain.undefine()
    hypervisor.plug(id_, expect=1, target=2)
    assert view_of(hypervisor, id_).plugged == 2
    domain.destroy()
    assert id_ not in {view.id for view in hypervisor.domains()}


def test_vcpus_that_an_administrator_adds_are_seen_at_the_next_look(
    administrator: libvirt.virConnect, hypervisor: LibvirtHypervisor
) -> None:
    domain, id_ = started(administrator, "by-hand")
    domain.setVcpusFlags(3, LIVE)
    assert view_of(hypervisor, id_).plugged == 3
