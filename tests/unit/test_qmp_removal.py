"""Asking a QEMU for a vCPU back, and hearing what its guest makes of that."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from autoscaler.backends.acpi_reports import AT_ONCE
from autoscaler.core.model import DomainEventKind
from autoscaler.errors import Denied, DomainBusy, OutcomeUnknown
from tests.fakes.qmp_room import Listener, QmpRoom, only
from tests.fakes.scripted_qmp import Fault, ScriptedQmp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from autoscaler.backends.qmp.hypervisor import QmpHypervisor


@pytest.fixture
def room(tmp_path: Path) -> Iterator[QmpRoom]:
    with QmpRoom(tmp_path) as room:
        yield room


@pytest.fixture
def server(room: QmpRoom) -> ScriptedQmp:
    return room.serve()


@pytest.fixture
def hypervisor(room: QmpRoom, server: ScriptedQmp) -> QmpHypervisor:
    """A backend that has plugged two vCPUs beside the one that the guest started with."""
    hypervisor = room.look(server)
    hypervisor.plug(only(hypervisor).id, expect=1, target=3)
    return hypervisor


def asked(server: ScriptedQmp) -> list[object]:
    return [arguments["id"] for command, arguments in server.heard if command == "device_del"]


def test_the_highest_slot_is_asked_for_and_nobody_waits_for_the_guest(
    hypervisor: QmpHypervisor, server: ScriptedQmp
) -> None:
    assert hypervisor.unplug(only(hypervisor).id, expect=3, target=2) == 2

    assert asked(server) == ["vcpu-autoscaler-2"]
    assert only(hypervisor).plugged == 3


def test_what_another_hand_plugged_can_go_too(hypervisor: QmpHypervisor, server: ScriptedQmp) -> None:
    server.plug_next()

    assert hypervisor.unplug(only(hypervisor).id, expect=4, target=3) == 3
    assert asked(server) == ["another-hand"]


def test_a_guest_whose_acpi_is_not_up_is_not_asked_yet(
    hypervisor: QmpHypervisor, server: ScriptedQmp
) -> None:
    server.acpi_is_up = False

    with pytest.raises(DomainBusy, match="does not listen to ACPI yet"):
        hypervisor.unplug(only(hypervisor).id, expect=3, target=2)
    assert asked(server) == []


def test_a_qemu_that_has_no_such_probe_is_asked_all_the_same(
    hypervisor: QmpHypervisor, server: ScriptedQmp
) -> None:
    server.faults["query-acpi-ospm-status"] = Fault.REFUSES

    assert hypervisor.unplug(only(hypervisor).id, expect=3, target=2) == 2


def test_more_than_one_vcpu_is_never_asked_for_at_once(
    hypervisor: QmpHypervisor, server: ScriptedQmp
) -> None:
    with pytest.raises(Denied, match="whole slots"):
        hypervisor.unplug(only(hypervisor).id, expect=3, target=1)
    assert asked(server) == []


def test_a_lost_answer_says_that_nobody_knows_whether_the_guest_was_asked(
    hypervisor: QmpHypervisor, server: ScriptedQmp
) -> None:
    server.faults["device_del"] = Fault.HANGS_UP

    with pytest.raises(OutcomeUnknown, match="whether domain web was asked for a vCPU"):
        hypervisor.unplug(only(hypervisor).id, expect=3, target=2)
    assert asked(server) == ["vcpu-autoscaler-2"]


def test_a_slot_that_was_given_back_is_heard_of_and_seen_empty(
    hypervisor: QmpHypervisor, server: ScriptedQmp
) -> None:
    listener = Listener()
    hypervisor.subscribe(listener)
    assert only(hypervisor).slots == frozenset({0, 1, 2})

    server.unplug(2)

    assert listener.next().kind is DomainEventKind.CHANGED
    assert only(hypervisor).slots == frozenset({0, 1})


def test_what_the_guest_reports_of_a_slot_is_heard_of_and_seen(
    hypervisor: QmpHypervisor, server: ScriptedQmp
) -> None:
    listener = Listener()
    hypervisor.subscribe(listener)

    server.report(2, 0x82)

    assert listener.next().kind is DomainEventKind.CHANGED
    assert only(hypervisor).reports.last[2].meaning == "removal: refused: busy"


def test_a_flood_of_reports_is_bounded_and_counted(hypervisor: QmpHypervisor, server: ScriptedQmp) -> None:
    server.report(2, 0x84, times=5000)
    end_s = time.monotonic() + 10
    while (reports := only(hypervisor).reports).taken + reports.dropped < 5000:
        assert time.monotonic() < end_s, reports

    assert reports.taken < AT_ONCE + 200
    assert list(reports.last) == [2]
