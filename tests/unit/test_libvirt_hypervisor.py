"""The plumbing over libvirt's own test driver: a real libvirt in this process, with pretended guests."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import libvirt
import pytest

from autoscaler.backends.libvirt import hypervisor as libvirt_hypervisor
from autoscaler.backends.libvirt.hypervisor import (
    WRITERS,
    LibvirtHypervisor,
)
from autoscaler.backends.libvirt.loop import ensure_event_loop
from autoscaler.backends.libvirt.metadata import NAMESPACE
from autoscaler.core.model import DomainEvent, DomainEventKind, DomainId, DomainView, RunState
from autoscaler.core.owner import Owner
from autoscaler.errors import BackendUnavailable, Conflict, Denied, DomainGone
from tests.fakes.libvirt_domains import RealClock, pretend_domain

if TYPE_CHECKING:
    from collections.abc import Iterator

URI = "test:///default"


class Events:
    """Listens, and lets a test wait for what it heard."""

    def __init__(self) -> None:
        self._heard: list[DomainEvent] = []
        self._changed = threading.Condition()

    def __call__(self, event: DomainEvent) -> None:
        with self._changed:
            self._heard.append(event)
            self._changed.notify_all()

    @property
    def count(self) -> int:
        return len(self._heard)

    def wait_for(self, event: DomainEvent) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: event in self._heard, timeout=5), self._heard


@pytest.fixture
def administrator() -> Iterator[libvirt.virConnect]:
    """Another user of the same driver, whose state all connections of a process share."""
    ensure_event_loop()
    connection = libvirt.open(URI)
    yield connection
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        if domain.name() != "test":
            domain.destroy()
    connection.close()


@pytest.fixture
def hypervisor(administrator: libvirt.virConnect) -> Iterator[LibvirtHypervisor]:
    del administrator  # it keeps the driver's state alive
    hypervisor = LibvirtHypervisor(URI, clock=RealClock(), label="lab")
    yield hypervisor
    hypervisor.close()


@pytest.fixture
def guest(administrator: libvirt.virConnect) -> libvirt.virDomain:
    return administrator.createXML(pretend_domain("guest", vcpus=1, maximum=4), 0)


def id_of(domain: libvirt.virDomain) -> DomainId:
    return DomainId("lab", domain.UUIDString())


def view_of(hypervisor: LibvirtHypervisor, domain: libvirt.virDomain) -> DomainView:
    return next(view for view in hypervisor.domains() if view.id == id_of(domain))


def test_an_active_domain_is_seen_with_its_counts(
    hypervisor: LibvirtHypervisor, guest: libvirt.virDomain
) -> None:
    view = view_of(hypervisor, guest)

    assert (view.name, view.state, view.plugged, view.maximum) == ("guest", RunState.RUNNING, 1, 4)


def test_what_the_driver_does_not_count_is_none_and_not_zero(
    hypervisor: LibvirtHypervisor, guest: libvirt.virDomain
) -> None:
    view = view_of(hypervisor, guest)

    assert (view.vcpu_time_s, view.vcpu_delay_s) == (None, None)


def test_a_paused_domain_is_seen_as_paused(hypervisor: LibvirtHypervisor, guest: libvirt.virDomain) -> None:
    guest.suspend()

    assert view_of(hypervisor, guest).state is RunState.PAUSED


def test_a_stopped_domain_is_not_seen(hypervisor: LibvirtHypervisor, guest: libvirt.virDomain) -> None:
    stopped = id_of(guest)
    guest.destroy()

    assert stopped not in {view.id for view in hypervisor.domains()}


def label(domain: libvirt.virDomain, element: str | None, *, uri: str = NAMESPACE) -> None:
    kind, key = libvirt.VIR_DOMAIN_METADATA_ELEMENT, "key" if element else None
    domain.setMetadata(kind, element, key, uri, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def test_labels_are_seen_with_a_domain_and_change_with_the_event_that_tells_of_it(
    hypervisor: LibvirtHypervisor, guest: libvirt.virDomain
) -> None:
    label(guest, '<labels tier="gold"/>')
    assert view_of(hypervisor, guest).labels == {"tier": "gold"}
    for element, labels in (('<labels autoscaling="off"/>', {"autoscaling": "off"}), (None, {})):
        events = Events()
        hypervisor.subscribe(events)
        label(guest, element)
        events.wait_for(DomainEvent(DomainEventKind.CHANGED, id_of(guest)))
        assert view_of(hypervisor, guest).labels == labels


def test_metadata_of_others_is_neither_read_nor_told_of(
    hypervisor: LibvirtHypervisor, guest: libvirt.virDomain
) -> None:
    events = Events()
    hypervisor.subscribe(events)
    assert view_of(hypervisor, guest).labels == {}
    label(guest, '<labels tier="gold"/>', uri="urn:another")
    guest.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_TITLE, NAMESPACE, None, None, libvirt.VIR_DOMAIN_AFFECT_LIVE
    )
    guest.suspend()
    events.wait_for(DomainEvent(DomainEventKind.CHANGED, id_of(guest)))
    assert events.count == 1
    assert view_of(hypervisor, guest).labels == {}


NOVA = "http://openstack.org/xmlns/libvirt/nova/1.1"


def test_a_domain_that_somebody_else_runs_is_seen_as_theirs_unless_it_is_adopted(
    hypervisor: LibvirtHypervisor, guest: libvirt.virDomain
) -> None:
    assert view_of(hypervisor, guest).claimed_by is None
    for element, owner in (("<instance><name>vm</name></instance>", Owner.NOVA), (None, None)):
        events = Events()
        hypervisor.subscribe(events)
        label(guest, element, uri=NOVA)
        events.wait_for(DomainEvent(DomainEventKind.CHANGED, id_of(guest)))
        assert view_of(hypervisor, guest).claimed_by is owner
    label(guest, "<instance/>", uri=NOVA)
    adopting = LibvirtHypervisor(URI, clock=RealClock(), label="lab", adopt=(Owner.NOVA,))
    assert view_of(adopting, guest).claimed_by is None
    adopting.close()


def test_a_count_that_an_administrator_sets_is_seen_at_the_next_sweep(
    hypervisor: LibvirtHypervisor, guest: libvirt.virDomain
) -> None:
    for count in (3, 2):
        guest.setVcpusFlags(count, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        assert view_of(hypervisor, guest).plugged == count


def test_vcpus_are_added_to_the_running_guest(
    hypervisor: LibvirtHypervisor, guest: libvirt.virDomain
) -> None:
    hypervisor.plug(id_of(guest), expect=1, target=3)

    assert view_of(hypervisor, guest).plugged == 3


def test_only_the_running_guest_is_changed_and_libvirt_is_told_so(
    hypervisor: LibvirtHypervisor, administrator: libvirt.virConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = administrator.defineXML(pretend_domain("kept", vcpus=1, maximum=4))
    domain.create()
    told: list[int] = []
    plain = libvirt.virDomain.setVcpusFlags

    def listened(handle: libvirt.virDomain, vcpus: int, flags: int = 0) -> int:
        told.append(flags)
        result: int = plain(handle, vcpus, flags)
        return result

    monkeypatch.setattr(libvirt.virDomain, "setVcpusFlags", listened)
    try:
        hypervisor.plug(id_of(domain), expect=1, target=3)

        assert told == [libvirt.VIR_DOMAIN_AFFECT_LIVE], "with no flag the right domain:save is asked for"
        assert domain.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE) == 3
        assert domain.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_CONFIG) == 1
    finally:
        domain.destroy()
        domain.undefine()


def test_an_administrators_change_in_between_is_a_conflict_and_is_left_alone(
    hypervisor: LibvirtHypervisor, guest: libvirt.virDomain
) -> None:
    guest.setVcpusFlags(2, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    with pytest.raises(Conflict, match="guest has 2 vCPUs plugged where 1 were expected"):
        hypervisor.plug(id_of(guest), expect=1, target=3)

    assert view_of(hypervisor, guest).plugged == 2


def test_growth_past_the_maximum_is_denied_with_the_command_that_raises_it(
    hypervisor: LibvirtHypervisor, guest: libvirt.virDomain
) -> None:
    with pytest.raises(Denied, match=r"virsh -c \S+ setvcpus guest 5 --maximum --config"):
        hypervisor.plug(id_of(guest), expect=1, target=5)


def test_a_name_with_a_space_is_quoted_for_the_shell(
    hypervisor: LibvirtHypervisor, administrator: libvirt.virConnect
) -> None:
    odd = administrator.createXML(pretend_domain("a; reboot"), 0)

    with pytest.raises(Denied, match=r"virsh -c \S+ setvcpus 'a; reboot' 5 "):
        hypervisor.plug(id_of(odd), expect=1, target=5)


def test_a_target_below_the_expected_count_is_a_mistake_of_the_caller(
    hypervisor: LibvirtHypervisor, guest: libvirt.virDomain
) -> None:
    guest.setVcpusFlags(3, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    with pytest.raises(ValueError, match="2 is below 3"):
        hypervisor.plug(id_of(guest), expect=3, target=2)

    assert view_of(hypervisor, guest).plugged == 3


def test_plugging_a_domain_that_ended_says_that_it_is_gone(
    hypervisor: LibvirtHypervisor, guest: libvirt.virDomain
) -> None:
    ended = id_of(guest)
    guest.destroy()

    with pytest.raises(DomainGone, match=ended.uuid):
        hypervisor.plug(ended, expect=1, target=2)


def test_plugging_a_domain_that_is_defined_but_shut_off_says_that_it_is_gone(
    hypervisor: LibvirtHypervisor, administrator: libvirt.virConnect
) -> None:
    defined = administrator.defineXML(pretend_domain("defined"))

    with pytest.raises(DomainGone, match="domain defined does not run"):
        hypervisor.plug(id_of(defined), expect=1, target=2)

    defined.undefine()


def test_a_start_a_pause_and_a_stop_reach_the_listener(
    hypervisor: LibvirtHypervisor, administrator: libvirt.virConnect
) -> None:
    events = Events()
    hypervisor.subscribe(events)
    hypervisor.domains()

    domain = administrator.createXML(pretend_domain("short"), 0)
    followed = id_of(domain)
    events.wait_for(DomainEvent(DomainEventKind.STARTED, followed))
    domain.suspend()
    events.wait_for(DomainEvent(DomainEventKind.CHANGED, followed))
    domain.destroy()
    events.wait_for(DomainEvent(DomainEventKind.STOPPED, followed))


def test_no_event_comes_after_close(administrator: libvirt.virConnect) -> None:
    heard: list[DomainEvent] = []
    closed, witness = LibvirtHypervisor(URI, clock=RealClock()), LibvirtHypervisor(URI, clock=RealClock())
    last = Events()
    closed.subscribe(heard.append)
    witness.subscribe(last)
    closed.domains()
    witness.domains()
    closed.close()

    domain = administrator.createXML(pretend_domain("late"), 0)

    last.wait_for(DomainEvent(DomainEventKind.STARTED, DomainId(URI, domain.UUIDString())))
    witness.close()
    assert heard == []


def test_closing_leaves_the_guest_running(hypervisor: LibvirtHypervisor, guest: libvirt.virDomain) -> None:
    hypervisor.domains()

    hypervisor.close()

    assert guest.isActive() == 1


def test_the_version_of_libvirt_is_told_and_none_for_a_qemu_that_is_not_there(
    hypervisor: LibvirtHypervisor,
) -> None:
    library, qemu = hypervisor.versions()

    assert [part.isdigit() for part in library.split(".")] == [True, True, True]
    assert qemu is None


def test_without_libvirt_python_the_backend_says_how_to_get_it() -> None:
    script = (
        "import sys; sys.modules['libvirt'] = None\n"
        "from autoscaler.errors import BackendUnavailable\n"
        "try:\n    import autoscaler.backends.libvirt.hypervisor\n"
        "except BackendUnavailable as error:\n    print(error)\n"
    )

    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "pip install 'vcpu-autoscaler[libvirt]'" in told.stdout


def test_a_plug_that_finds_every_connection_held_by_hung_ones_says_so_and_changes_nothing(
    hypervisor: LibvirtHypervisor, guest: libvirt.virDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirt_hypervisor, "WRITER_PATIENCE_S", 0.05)
    with ExitStack() as hung:
        for _ in range(WRITERS - 1):
            hung.enter_context(hypervisor._writers.lease(0))
        hypervisor.plug(id_of(guest), expect=1, target=2)
        hung.enter_context(hypervisor._writers.lease(0))
        with pytest.raises(BackendUnavailable, match="connections for such calls to test:///default wait"):
            hypervisor.plug(id_of(guest), expect=2, target=3)
    assert view_of(hypervisor, guest).plugged == 2
    hypervisor.plug(id_of(guest), expect=2, target=3)
