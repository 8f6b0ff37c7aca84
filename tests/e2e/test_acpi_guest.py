"""Removal against a real QEMU whose guest the test plays: what it reports, when it follows, whether at all.

Under KVM where /dev/kvm opens, since emulation before QEMU 10.0 never lets a vCPU go; what does not depend on
that runs under emulation elsewhere.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoscaler.backends.acpi_reports import AT_ONCE
from autoscaler.backends.qmp.guests import GuestFolder
from autoscaler.core.model import RunState
from autoscaler.errors import DomainBusy
from tests.fakes.acpi_guest import (
    IN_PROGRESS,
    LETS_GO,
    REFUSED,
    AcpiQemu,
    acpi_qemu,
    kvm_opens,
    qemu_version,
)
from tests.fakes.qmp_room import QmpRoom, only, sweep_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autoscaler.backends.qmp.hypervisor import QmpHypervisor
    from autoscaler.core.model import DomainView

KVM = kvm_opens()
needs_ejects = pytest.mark.skipif(
    not KVM and qemu_version() < LETS_GO,
    reason="emulation before QEMU 10.0 never lets a vCPU go; /dev/kvm does not open",
)
needs_kvm = pytest.mark.skipif(
    not KVM, reason="emulation can make no more vCPU threads than the maximum; /dev/kvm does not open"
)
CYCLES = 300


@pytest.fixture
def folder() -> Iterator[Path]:
    """A guest folder with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="acpi-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def qemu(folder: Path) -> Iterator[AcpiQemu]:
    with acpi_qemu(folder, accel="kvm" if KVM else "tcg", maximum=4 if KVM else 32) as qemu:
        yield qemu


@pytest.fixture
def hypervisor(qemu: AcpiQemu, folder: Path) -> Iterator[QmpHypervisor]:
    """A backend that has found the guest, whose ACPI is not up yet."""
    assert qemu.process.poll() is None
    with QmpRoom(folder) as room:
        hypervisor = room.look_at(GuestFolder(folder))
        sweep_until(hypervisor, ["acpi"])
        yield hypervisor


def grown(hypervisor: QmpHypervisor, qemu: AcpiQemu, to: int) -> DomainView:
    """The domain with so many vCPUs and its ACPI up."""
    qemu.guest.boot()
    hypervisor.plug(only(hypervisor).id, expect=1, target=to)
    return only(hypervisor)


def until(hypervisor: QmpHypervisor, holds: Callable[[DomainView], bool]) -> DomainView:
    end_s = time.monotonic() + 5
    while not holds(view := only(hypervisor)):
        assert time.monotonic() < end_s, view
        time.sleep(0.02)
    return view


def test_a_guest_whose_acpi_is_not_up_is_asked_later_or_finds_the_request_when_it_is(
    hypervisor: QmpHypervisor, qemu: AcpiQemu
) -> None:
    domain = only(hypervisor).id
    hypervisor.plug(domain, expect=1, target=2)
    try:
        asked = hypervisor.unplug(domain, expect=2, target=1)
    except DomainBusy:  # QEMU 10.0 and before; 11.1 takes the request and keeps it
        qemu.guest.boot()
        asked = hypervisor.unplug(domain, expect=2, target=1)
    else:
        qemu.guest.boot()

    assert asked == 1
    assert qemu.guest.is_asked_for(1)


def test_a_silent_guest_is_asked_at_once_and_keeps_what_it_has(
    hypervisor: QmpHypervisor, qemu: AcpiQemu
) -> None:
    view = grown(hypervisor, qemu, 4)
    began_s = time.monotonic()

    assert hypervisor.unplug(view.id, expect=4, target=3) == 3

    assert time.monotonic() - began_s < 3.0
    assert qemu.guest.is_asked_for(3)
    assert only(hypervisor).slots == frozenset({0, 1, 2, 3})
    assert hypervisor.unplug(view.id, expect=4, target=3) == 3, "asking again does no harm"


@needs_ejects
def test_an_eject_that_comes_late_is_seen_when_it_comes(hypervisor: QmpHypervisor, qemu: AcpiQemu) -> None:
    view = grown(hypervisor, qemu, 4)
    hypervisor.unplug(view.id, expect=4, target=3)
    time.sleep(1.0)
    assert only(hypervisor).plugged == 4

    qemu.guest.eject(3)

    assert until(hypervisor, lambda view: view.plugged == 3).slots == frozenset({0, 1, 2})


def test_a_refusal_is_heard_with_its_meaning(hypervisor: QmpHypervisor, qemu: AcpiQemu) -> None:
    view = grown(hypervisor, qemu, 3)
    hypervisor.unplug(view.id, expect=3, target=2)

    qemu.guest.report(2, REFUSED)

    view = until(hypervisor, lambda view: 2 in view.reports.last)
    assert view.reports.last[2].refuses
    assert view.reports.last[2].meaning == "removal: refused: the guest does not support removal"
    assert view.plugged == 3
    hypervisor.plug(view.id, expect=3, target=4)
    assert only(hypervisor).plugged == 4, "a refusal stands in the way of no growth"


@needs_ejects
def test_of_two_vcpus_that_were_asked_for_in_turn_the_one_that_goes_is_seen(
    hypervisor: QmpHypervisor, qemu: AcpiQemu
) -> None:
    view = grown(hypervisor, qemu, 4)
    hypervisor.unplug(view.id, expect=4, target=3)
    qemu.guest.eject(3)
    until(hypervisor, lambda view: view.plugged == 3)
    hypervisor.unplug(view.id, expect=3, target=2)
    qemu.guest.report(2, IN_PROGRESS)
    time.sleep(0.2)

    assert only(hypervisor).slots == frozenset({0, 1, 2})


@needs_ejects
def test_of_three_vcpus_that_somebody_asked_for_the_one_that_goes_is_seen_and_made_good(
    hypervisor: QmpHypervisor, qemu: AcpiQemu
) -> None:
    view = grown(hypervisor, qemu, 4)
    for slot in (1, 2, 3):
        qemu.monitor(f"device_del vcpu-autoscaler-{slot}")
    qemu.guest.eject(2)

    assert until(hypervisor, lambda view: view.plugged == 3).slots == frozenset({0, 1, 3})
    assert [qemu.guest.is_asked_for(slot) for slot in (1, 3)] == [True, True]
    hypervisor.plug(view.id, expect=3, target=4)
    assert only(hypervisor).slots == frozenset({0, 1, 2, 3})


@needs_ejects
def test_a_vcpu_that_goes_unasked_is_seen_gone(hypervisor: QmpHypervisor, qemu: AcpiQemu) -> None:
    view = grown(hypervisor, qemu, 3)

    qemu.guest.eject(1)

    assert until(hypervisor, lambda view: view.plugged == 2).slots == frozenset({0, 2})
    hypervisor.plug(view.id, expect=2, target=3)
    assert only(hypervisor).slots == frozenset({0, 1, 2})


@needs_ejects
def test_a_request_outlives_a_reset_of_the_guest(hypervisor: QmpHypervisor, qemu: AcpiQemu) -> None:
    view = grown(hypervisor, qemu, 3)
    hypervisor.unplug(view.id, expect=3, target=2)
    qemu.monitor("system_reset")
    time.sleep(0.3)
    qemu.guest.boot()

    assert qemu.guest.is_asked_for(2)
    qemu.guest.eject(2)
    until(hypervisor, lambda view: view.plugged == 2)


def test_a_flood_of_reports_is_bounded_and_holds_up_no_look(
    hypervisor: QmpHypervisor, qemu: AcpiQemu
) -> None:
    view = grown(hypervisor, qemu, 3)
    hypervisor.unplug(view.id, expect=3, target=2)
    qemu.guest.report(2, IN_PROGRESS, times=10_000)

    end_s = time.monotonic() + 20
    while (reports := only(hypervisor).reports).taken + reports.dropped < 10_000:
        assert time.monotonic() < end_s, reports

    assert reports.taken < AT_ONCE + 500
    assert set(reports.last) == {2}
    began_s = time.monotonic()
    only(hypervisor)
    assert time.monotonic() - began_s < 3.0


def test_a_paused_guest_is_given_and_asked_for_vcpus(hypervisor: QmpHypervisor, qemu: AcpiQemu) -> None:
    view = grown(hypervisor, qemu, 2)
    qemu.monitor("cont")
    until(hypervisor, lambda view: view.state is RunState.RUNNING)
    qemu.monitor("stop")
    until(hypervisor, lambda view: view.state is RunState.PAUSED)

    hypervisor.plug(view.id, expect=2, target=3)
    assert hypervisor.unplug(view.id, expect=3, target=2) == 2

    qemu.monitor("cont")
    assert qemu.guest.is_asked_for(2)


@needs_kvm
def test_hundreds_of_cycles_leave_descriptors_open_in_qemu_which_is_watched(
    hypervisor: QmpHypervisor, qemu: AcpiQemu, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = grown(hypervisor, qemu, 1)
    before = qemu.open_files
    for _ in range(CYCLES):
        hypervisor.plug(view.id, expect=1, target=2)
        assert hypervisor.unplug(view.id, expect=2, target=1) == 1
        qemu.guest.eject(1)
        until(hypervisor, lambda view: view.plugged == 1)

    after = qemu.open_files
    print(f"file descriptors of QEMU over {CYCLES} cycles: {before} to {after}")  # noqa: T201 - a figure to quote
    monkeypatch.setattr("autoscaler.backends.descriptors.EVERY_S", 0.0)
    seen = only(hypervisor).descriptors
    assert seen is not None
    assert abs(seen.open - after) <= 2
    assert seen.limit >= seen.open
    assert after - before <= CYCLES + 10, "no more than one a cycle"
