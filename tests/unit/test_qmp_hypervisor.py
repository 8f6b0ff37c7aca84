from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from autoscaler.backends.address import UnixAddress
from autoscaler.backends.qmp.guests import GuestFolder, GuestList
from autoscaler.core.model import DomainEventKind, DomainId, RunState
from autoscaler.errors import (
    AgentAbsent,
    BackendUnavailable,
    Conflict,
    Denied,
    DomainBusy,
    DomainGone,
    NoChannel,
)
from tests.fakes.qmp_room import Listener, QmpRoom, guest_of, only
from tests.fakes.scripted_qmp import AGENT_PORT_ID, BEFORE_5_2, MODERN, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def room(tmp_path: Path) -> Iterator[QmpRoom]:
    with QmpRoom(tmp_path) as room:
        yield room


def test_a_domain_is_seen_with_its_vcpus(room: QmpRoom) -> None:
    server = room.serve(plugged_at_boot=2)
    before_s = time.monotonic()

    view = only(room.look(server))

    assert view.id == DomainId("qmp", server.uuid)
    assert (view.name, view.state, view.plugged, view.maximum) == ("web", RunState.RUNNING, 2, 4)
    assert before_s <= view.at_s <= time.monotonic()
    assert (view.vcpu_time_s, view.vcpu_delay_s) == (None, None)


def test_a_domain_has_the_labels_that_its_guest_was_configured_with(room: QmpRoom) -> None:
    guest = replace(guest_of(room.serve()), labels={"tier": "gold"})

    assert only(room.look_at(GuestList([guest]))).labels == {"tier": "gold"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param("paused", RunState.PAUSED, id="paused"),
        pytest.param("prelaunch", RunState.PAUSED, id="not started yet"),
        pytest.param("io-error", RunState.IO_ERROR, id="paused on an I/O error"),
        pytest.param("inmigrate", RunState.OTHER, id="waiting for a migration"),
        pytest.param("shutdown", RunState.OTHER, id="shut down"),
        pytest.param("a-later-word", RunState.OTHER, id="unknown"),
    ],
)
def test_the_state_of_a_domain_is_what_qemu_says(room: QmpRoom, status: str, expected: RunState) -> None:
    assert only(room.look_at(GuestList([guest_of(room.serve(status=status))]))).state is expected


def test_the_vcpu_threads_of_a_local_qemu_are_timed(room: QmpRoom) -> None:
    server = room.serve(thread_id=lambda _number: threading.main_thread().native_id)

    assert (only(room.look(server)).vcpu_time_s or 0) > 0


def test_the_waiting_of_vcpus_that_share_a_thread_is_not_known(room: QmpRoom) -> None:
    server = room.serve(plugged_at_boot=2, thread_id=lambda _number: threading.main_thread().native_id)
    view = only(room.look(server))
    assert (view.vcpu_time_s or 0) > 0
    assert view.vcpu_delay_s is None


def test_the_waiting_of_vcpus_with_a_thread_each_is_known(room: QmpRoom) -> None:
    server = room.serve(plugged_at_boot=1, thread_id=lambda _number: threading.main_thread().native_id)
    assert only(room.look(server)).vcpu_delay_s is not None


def test_the_maximum_is_asked_for_once(room: QmpRoom) -> None:
    server = room.serve()
    hypervisor = room.look(server)
    for _ in range(5):
        hypervisor.domains()

    assert [command for command, _ in server.heard].count("query-hotpluggable-cpus") == 1


@pytest.mark.parametrize("kvm", [True, False])
def test_whether_a_guest_is_emulated_is_asked_for_once(room: QmpRoom, *, kvm: bool) -> None:
    server = room.serve(kvm=kvm)
    hypervisor = room.look(server)
    for _ in range(5):
        hypervisor.domains()

    assert only(hypervisor).emulated is not kvm
    assert [command for command, _ in server.heard].count("query-kvm") == 1


def test_a_qemu_that_does_not_tell_whether_it_emulates_is_seen_without_that(room: QmpRoom) -> None:
    assert only(room.look(room.serve(faults={"query-kvm": Fault.REFUSES}))).emulated is None


def test_a_qemu_without_a_uuid_gets_a_lasting_one_from_its_address(room: QmpRoom) -> None:
    first, second = (room.serve(name, uuid="00000000-0000-0000-0000-000000000000") for name in ("web", "db"))
    guests = GuestList([guest_of(first), guest_of(second)])
    hypervisor = room.look_at(guests)

    seen = [view.id for view in hypervisor.domains()]
    hypervisor.close()

    assert len(set(seen)) == 2
    assert [view.id for view in room.look_at(guests).domains()] == seen


def test_a_configured_uuid_is_given_to_a_qemu_that_has_none(room: QmpRoom) -> None:
    uuid = "11111111-2222-4333-8444-555555555555"
    server = room.serve(uuid="00000000-0000-0000-0000-000000000000")

    assert only(room.look_at(GuestList([guest_of(server, uuid=uuid)]))).id.uuid == uuid


@pytest.mark.parametrize(
    ("version", "command"),
    [
        pytest.param((11, 1, 0), "device_add", id="newest"),
        pytest.param((5, 2, 0), "device_add", id="first without cpu-add"),
        pytest.param(BEFORE_5_2, "cpu-add", id="before 5.2"),
    ],
)
def test_vcpus_are_plugged_lowest_first_in_the_words_of_each_qemu(
    room: QmpRoom,
    version: tuple[int, int, int],
    command: str,
) -> None:
    counts: list[int] = []
    server = room.serve(version=version, on_plug=counts.append)
    hypervisor = room.look(server)

    hypervisor.plug(only(hypervisor).id, expect=1, target=3)

    assert server.plugged_slots == [0, 1, 2]
    assert counts == [2, 3]
    assert [name for name, _ in server.heard if "add" in name] == [command, command]
    assert only(hypervisor).plugged == 3


def test_a_gap_that_a_removal_left_is_filled_first(room: QmpRoom) -> None:
    server = room.serve()
    hypervisor = room.look(server)
    hypervisor.plug(only(hypervisor).id, expect=1, target=4)
    server.unplug(1)

    hypervisor.plug(only(hypervisor).id, expect=3, target=4)

    assert server.plugged_slots == [0, 1, 2, 3]


def test_a_count_that_another_hand_changes_is_seen_at_the_next_sweep(room: QmpRoom) -> None:
    server = room.serve()
    hypervisor = room.look(server)
    counts = [only(hypervisor).plugged]
    server.plug_next()
    counts.append(only(hypervisor).plugged)
    server.unplug(1)
    counts.append(only(hypervisor).plugged)
    assert counts == [1, 2, 1]


def test_cores_of_several_vcpus_are_plugged_whole_or_not_at_all(room: QmpRoom) -> None:
    server = room.serve(threads_per_slot=2, plugged_at_boot=2, maximum=8)
    hypervisor = room.look(server)
    domain = only(hypervisor).id

    with pytest.raises(Denied, match=r"domain web cannot be given 5 vCPUs: .* hold 2 vCPUs each"):
        hypervisor.plug(domain, expect=2, target=5)
    hypervisor.plug(domain, expect=2, target=6)

    assert server.plugged == 6


@pytest.mark.parametrize("version", [MODERN, BEFORE_5_2])
@pytest.mark.parametrize("command", ["query-status", "query-hotpluggable-cpus", "query-cpus-fast"])
def test_a_vcpu_that_another_hand_adds_meanwhile_is_not_added_to(
    room: QmpRoom, version: tuple[int, int, int], command: str
) -> None:
    server = room.serve(version=version)
    hypervisor = room.look(server)
    domain = only(hypervisor).id
    server.meanwhile[command] = server.plug_next

    with pytest.raises((Conflict, Denied)):
        hypervisor.plug(domain, expect=1, target=2)

    assert server.plugged_slots == [0, 1]


def test_plugging_needs_the_expected_count(room: QmpRoom) -> None:
    server = room.serve(plugged_at_boot=2)
    hypervisor = room.look(server)

    with pytest.raises(Conflict, match="domain web has 2 vCPUs plugged, not 1"):
        hypervisor.plug(only(hypervisor).id, expect=1, target=3)
    assert server.plugged == 2


@pytest.mark.parametrize(
    ("behaviour", "error", "complaint"),
    [
        pytest.param({}, Denied, "maximum of 4 vCPUs and 5", id="beyond the maximum"),
        pytest.param({"hotplug": False}, Denied, "no vCPU hot-plug", id="a machine without hot-plug"),
        pytest.param({"status": "inmigrate"}, DomainBusy, "state 'inmigrate'", id="in transition"),
    ],
)
def test_a_change_that_cannot_be_is_refused_before_anything_is_sent(
    room: QmpRoom,
    behaviour: dict[str, Any],
    error: type[Exception],
    complaint: str,
) -> None:
    server = room.serve(**behaviour)
    hypervisor = room.look(server)

    with pytest.raises(error, match=complaint):
        hypervisor.plug(only(hypervisor).id, expect=1, target=4 if behaviour.get("status") else 5)
    assert not [name for name, _ in server.heard if "add" in name]


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        pytest.param("device_add not allowed while migrating", DomainBusy, id="migrating"),
        pytest.param("CPU[1] with APIC ID 1 exists", Denied, id="anything else"),
    ],
)
def test_a_refusal_of_qemu_is_passed_on_in_its_own_words(
    room: QmpRoom,
    reason: str,
    error: type[Exception],
) -> None:
    server = room.serve(refusal=reason, faults={"device_add": Fault.REFUSES})
    hypervisor = room.look(server)

    with pytest.raises(error) as caught:
        hypervisor.plug(only(hypervisor).id, expect=1, target=2)
    assert str(caught.value) == f"QEMU refuses to add a vCPU to domain web: {reason}"


def test_an_unknown_domain_is_gone(room: QmpRoom) -> None:
    hypervisor = room.look_at(GuestList([]))
    stranger = DomainId("qmp", "11111111-2222-4333-8444-555555555555")

    with pytest.raises(DomainGone):
        hypervisor.plug(stranger, expect=1, target=2)
    with pytest.raises(DomainGone):
        hypervisor.agent_address(stranger)
    assert hypervisor.qemu_version(stranger) is None


def test_the_agent_is_where_the_guest_says(room: QmpRoom) -> None:
    with_agent, without = room.serve("web"), room.serve("db", uuid="11111111-2222-4333-8444-555555555555")
    hypervisor = room.look_at(GuestList([guest_of(with_agent, agent="/run/agent"), guest_of(without)]))
    web, db = hypervisor.domains()

    assert hypervisor.agent_address(web.id) == UnixAddress("/run/agent")
    with pytest.raises(NoChannel, match="domain db has no agent socket"):
        hypervisor.agent_address(db.id)


@pytest.mark.parametrize(
    "ports", [pytest.param((AGENT_PORT_ID,), id="a port with an id"), pytest.param((), id="without")]
)
def test_a_channel_that_nobody_in_the_guest_has_open_is_no_missing_channel(
    room: QmpRoom, ports: tuple[str, ...]
) -> None:
    server = room.serve(agent_ports=ports, agent_listens=False)
    hypervisor = room.look_at(GuestList([guest_of(server, agent="/run/agent")]))
    domain = only(hypervisor).id

    with pytest.raises(
        AgentAbsent, match="nothing in the guest of domain web has its agent channel open"
    ) as told:
        hypervisor.agent_address(domain)
    assert not isinstance(told.value, NoChannel)

    server.agent_listens = True
    hypervisor.domains()
    assert hypervisor.agent_address(domain) == UnixAddress("/run/agent")


def test_an_agent_that_opens_its_channel_is_found_between_two_sweeps(room: QmpRoom) -> None:
    server, listener = room.serve(agent_listens=False), Listener()
    hypervisor = room.look_at(GuestList([guest_of(server, agent="/run/agent")]))
    hypervisor.subscribe(listener)
    domain = only(hypervisor).id
    assert listener.next().kind is DomainEventKind.STARTED

    server.emit("VSERPORT_CHANGE", {"id": AGENT_PORT_ID, "open": True})
    assert listener.next().kind is DomainEventKind.AGENT_CONNECTED
    assert hypervisor.agent_address(domain) == UnixAddress("/run/agent")

    server.emit("VSERPORT_CHANGE", {"id": AGENT_PORT_ID, "open": False})
    assert listener.next().kind is DomainEventKind.CHANGED
    with pytest.raises(AgentAbsent):
        hypervisor.agent_address(domain)


def test_the_version_of_qemu_is_told(room: QmpRoom) -> None:
    hypervisor = room.look_at(GuestList([guest_of(room.serve(version=BEFORE_5_2))]))

    assert hypervisor.qemu_version(only(hypervisor).id) == "4.2.0"


def test_guests_of_a_folder_come_and_go(room: QmpRoom) -> None:
    hypervisor = room.look_at(GuestFolder(room.folder))
    assert hypervisor.domains() == []

    server = room.serve("web")
    domain = only(hypervisor).id
    (room.folder / "web" / "agent.sock").touch()
    hypervisor.domains()
    assert str(hypervisor.agent_address(domain)) == f"unix:{room.folder}/web/agent.sock"

    server.path.unlink()
    assert hypervisor.domains() == []
    assert hypervisor.troubles() == {}
    with pytest.raises(DomainGone):
        hypervisor.plug(domain, expect=1, target=2)


def test_closing_leaves_the_guest_as_it_is_and_no_thread_behind(room: QmpRoom) -> None:
    server, before = room.serve(), set(threading.enumerate())
    hypervisor = room.look(server)
    hypervisor.plug(only(hypervisor).id, expect=1, target=2)

    hypervisor.close()
    hypervisor.close()

    assert set(threading.enumerate()) == before
    assert server.plugged == 2
    with pytest.raises(BackendUnavailable, match="is closed"):
        hypervisor.domains()
