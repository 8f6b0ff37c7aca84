"""How a removal through libvirt is asked for, and what its errors mean."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import libvirt
import pytest
from libvirt import VIR_ERR_INTERNAL_ERROR as INTERNAL_ERROR
from libvirt import VIR_ERR_NO_DOMAIN as NO_DOMAIN
from libvirt import VIR_ERR_OPERATION_DENIED as OPERATION_DENIED
from libvirt import VIR_ERR_OPERATION_FAILED as OPERATION_FAILED
from libvirt import VIR_ERR_OPERATION_TIMEOUT as OPERATION_TIMEOUT

from autoscaler.backends.acpi_reports import AT_ONCE
from autoscaler.backends.libvirt.acpi_feed import AcpiFeed
from autoscaler.backends.libvirt.errors import unplug_failed
from autoscaler.backends.libvirt.removal import highest_removable, removal_flags
from autoscaler.backends.libvirt.stats import DomainViews
from autoscaler.core.acpi import SlotReports
from autoscaler.core.named import Named
from autoscaler.errors import (
    AutoscalerError,
    Denied,
    DomainBusy,
    DomainGone,
    OutcomeUnknown,
)
from tests.fakes.libvirt_domains import RealClock
from tests.unit.test_libvirt_errors import LOCKED, failure
from tests.unit.test_libvirt_stats import TWO_VCPUS, swept

if TYPE_CHECKING:
    from collections.abc import Sequence

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
SLOW = failure(
    OPERATION_TIMEOUT,
    "Timed out during operation: vcpu unplug request timed out. Unplug result must be manually inspected in "
    "the domain",
)
_QEMU_SAYS = "internal error: unable to execute QEMU command 'device_del': "

WEB = Named("qemu:///system", "u", "web")


def domain(vcpus: Sequence[tuple[int, str, str]]) -> libvirt.virDomain:
    """One whose definition lists these vCPUs: number, plugged, able to go."""
    listed = "".join(
        f"<vcpu id='{number}' enabled='{enabled}' hotpluggable='{can_go}'/>"
        for number, enabled, can_go in vcpus
    )
    xml = f"<domain><vcpus>{listed}</vcpus></domain>"
    return cast("libvirt.virDomain", SimpleNamespace(name=lambda: "web", XMLDesc=lambda _: xml))


def connection(version: int, driver: str = "QEMU") -> libvirt.virConnect:
    asked = SimpleNamespace(getLibVersion=lambda: version, getType=lambda: driver)
    return cast("libvirt.virConnect", asked)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(LOCKED, DomainBusy, id="another job"),
        pytest.param(failure(NO_DOMAIN, "Domain not found"), DomainGone, id="undefined"),
        pytest.param(failure(OPERATION_DENIED, "read only access"), Denied, id="acl"),
        pytest.param(
            failure(INTERNAL_ERROR, f"{_QEMU_SAYS}acpi: device unplug request for not supported device type"),
            DomainBusy,
            id="the guest's ACPI is not up",
        ),
        pytest.param(failure(INTERNAL_ERROR, f"{_QEMU_SAYS}Device 'vcpu3' not found"), Denied, id="QEMU no"),
        pytest.param(failure(OPERATION_FAILED, "vcpu unplug was rejected"), Denied, id="refused"),
        pytest.param(
            failure(OPERATION_TIMEOUT, "Zeitüberschreitung"), OutcomeUnknown, id="a timeout in German"
        ),
        pytest.param(failure(INTERNAL_ERROR, "something new"), OutcomeUnknown, id="not known here"),
    ],
)
def test_a_removal_that_failed_is_refused_only_where_that_is_certain(
    error: libvirt.libvirtError, expected: type[AutoscalerError]
) -> None:
    told = unplug_failed(error, WEB, alive=True, active=True)

    assert type(told) is expected
    assert "web" in str(told)


def test_a_guest_that_takes_its_time_is_no_failure() -> None:
    assert unplug_failed(SLOW, WEB, alive=True, active=True) is None


def test_with_the_connection_lost_nobody_knows_whether_the_guest_was_asked() -> None:
    assert isinstance(unplug_failed(SLOW, WEB, alive=False, active=False), OutcomeUnknown)


def test_the_highest_plugged_vcpu_that_can_go_is_the_one() -> None:
    found = domain([(0, "yes", "no"), (1, "yes", "yes"), (2, "yes", "yes"), (3, "no", "yes")])

    assert highest_removable(found, WEB, plugged=3) == 2


def test_a_domain_whose_vcpus_are_all_fixed_is_told_how_to_free_them() -> None:
    with pytest.raises(Denied, match="hotpluggable='yes'"):
        highest_removable(domain([(0, "yes", "no"), (1, "yes", "no"), (2, "no", "yes")]), WEB, plugged=2)


@pytest.mark.parametrize(
    ("version", "driver", "flags"),
    [
        pytest.param(12_003_000, "QEMU", LIVE, id="12.3"),
        pytest.param(12_004_000, "QEMU", LIVE | 1 << 9, id="12.4"),
        pytest.param(12_004_000, "TEST", LIVE, id="another driver"),
    ],
)
def test_a_libvirt_that_can_is_told_not_to_wait_for_the_guest(
    monkeypatch: pytest.MonkeyPatch, version: int, driver: str, flags: int
) -> None:
    monkeypatch.setattr(libvirt, "VIR_DOMAIN_VCPU_ASYNC_UNPLUG", 1 << 9, raising=False)

    assert removal_flags(connection(version, driver)) == flags


def test_a_client_without_the_flag_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(libvirt, "VIR_DOMAIN_VCPU_ASYNC_UNPLUG", raising=False)

    assert removal_flags(connection(12_008_000)) == LIVE


def test_the_filled_slots_are_those_whose_vcpus_have_a_state() -> None:
    states = {"vcpu.0.state": 1, "vcpu.3.state": 1, "vcpu.maximum": 16, "vcpu.10.state": 1}

    assert swept(DomainViews("here"), TWO_VCPUS | states).slots == frozenset({0, 3, 10})
    assert swept(DomainViews("here"), TWO_VCPUS).slots is None


def report(slot: str = "2", kind: str = "CPU") -> str:
    return json.dumps({"info": {"source": 0x103, "status": 0x80, "slot": slot, "slot-type": kind}})


def heard(details: str, *, times: int = 1) -> tuple[SlotReports, int]:
    """What a feed knows after this event of a domain, and how often its listener was called."""
    told: list[object] = []
    feed = AcpiFeed(clock=RealClock(), heard=told.append)
    domain = cast("libvirt.virDomain", SimpleNamespace(UUIDString=lambda: "some"))
    for _ in range(times):
        feed._reported(None, domain, "ACPI_DEVICE_OST", 1, 2, details, None)
    reports = feed.of("some")
    feed.keep_only([])
    assert feed.of("some") == SlotReports()
    return reports, len(told)


def test_a_report_that_libvirt_passes_on_is_noted_and_told_of() -> None:
    reports, told = heard(report())

    assert reports.last[2].refuses
    assert told == 1


@pytest.mark.parametrize(
    "details",
    [
        pytest.param("", id="empty"),
        pytest.param("[" * 1000, id="nested"),
        pytest.param(report() + " " * 2000, id="long"),
        pytest.param(report(kind="DIMM"), id="memory"),
    ],
)
def test_what_is_no_report_of_a_vcpu_is_passed_over(details: str) -> None:
    reports, told = heard(details)

    assert (dict(reports.last), told) == ({}, 0)


def test_a_flood_through_libvirt_is_bounded() -> None:
    reports, told = heard(report(), times=10_000)

    assert reports.taken == told < AT_ONCE + 200
    assert reports.taken + reports.dropped == 10_000


def test_a_driver_without_qemu_is_listened_to_no_less() -> None:
    connection = libvirt.open("test:///default")
    feed = AcpiFeed(clock=RealClock(), heard=lambda _: None)
    feed.attach(connection)
    feed.detach(connection)
    connection.close()
