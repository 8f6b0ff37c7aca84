from __future__ import annotations

import pytest
from libvirt import VIR_DOMAIN_PAUSED as PAUSED
from libvirt import VIR_DOMAIN_PAUSED_IOERROR as IO_ERROR
from libvirt import VIR_DOMAIN_PAUSED_STARTING_UP as STARTING_UP
from libvirt import VIR_DOMAIN_PAUSED_USER as BY_USER

from autoscaler.backends.libvirt.stats import DomainViews, GrowingSum
from autoscaler.core.model import DomainView, RunState

UUID = "11111111-2222-3333-4444-555555555555"


class Handle:
    """What a virDomain tells of itself without asking anyone."""

    def __init__(self, number: int = 1) -> None:
        self._number = number

    def UUIDString(self) -> str:  # noqa: N802 - libvirt's name
        return UUID

    def ID(self) -> int:  # noqa: N802 - libvirt's name
        return self._number

    def name(self) -> str:
        return "web"


COUNTS = {"state.state": 1, "vcpu.current": 2, "vcpu.maximum": 4}
TWO_VCPUS = COUNTS | {
    "vcpu.0.time": 3_000_000_000,
    "vcpu.0.delay": 500_000_000,
    "vcpu.1.time": 1_000_000_000,
    "vcpu.1.delay": 250_000_000,
}


def swept(views: DomainViews, record: dict[str, int], number: int = 1) -> DomainView:
    (view,) = views.sweep([(Handle(number), record)], {UUID: {"tier": "gold"}}, described={}, at_s=7.0)
    return view


@pytest.mark.parametrize(
    ("readings", "sums"),
    [
        pytest.param([{"a": 1}, {"a": 5}], [1, 5], id="one counter grows"),
        pytest.param([{"a": 5, "b": 7}, {"a": 6}], [12, 13], id="one vanishes and keeps its last reading"),
        pytest.param(
            [{"a": 5, "b": 7}, {"a": 5}, {"a": 5, "b": 7}], [12, 12, 12], id="one was not read once"
        ),
        pytest.param([{"a": 5, "b": 7}, {"a": 5}, {"a": 5, "b": 2}], [12, 12, 14], id="one starts anew"),
        pytest.param([{"a": 9}, {"a": 1}, {"a": 2}], [9, 10, 11], id="the only one starts anew"),
    ],
)
def test_a_growing_sum_never_runs_backwards(readings: list[dict[str, int]], sums: list[int]) -> None:
    total = GrowingSum()

    assert [total.add(reading) for reading in readings] == sums


def test_a_domain_that_libvirt_is_only_just_starting_is_not_there_yet() -> None:
    starting = TWO_VCPUS | {"state.state": PAUSED, "state.reason": STARTING_UP}
    by_hand = TWO_VCPUS | {"state.state": PAUSED, "state.reason": BY_USER}
    views = DomainViews("host")

    assert views.sweep([(Handle(), starting)], labels={}, described={}, at_s=7.0) == ()
    assert swept(views, by_hand).state is RunState.PAUSED


def test_a_domain_that_qemu_paused_over_a_disk_is_told_from_one_that_somebody_paused() -> None:
    full = TWO_VCPUS | {"state.state": PAUSED, "state.reason": IO_ERROR}
    assert swept(DomainViews("host"), full).state is RunState.IO_ERROR


def test_the_times_of_all_vcpus_are_summed_in_seconds() -> None:
    view = swept(DomainViews("host"), TWO_VCPUS)

    assert (view.vcpu_time_s, view.vcpu_delay_s, view.at_s) == (4.0, 0.75, 7.0)


def test_a_domain_is_viewed_with_its_labels_and_not_before_they_are_known() -> None:
    assert swept(DomainViews("host"), TWO_VCPUS).labels == {"tier": "gold"}
    assert DomainViews("host").sweep([(Handle(), TWO_VCPUS)], {}, described={}, at_s=7.0) == ()


def test_a_removed_vcpu_takes_no_time_with_it() -> None:
    views = DomainViews("host")
    swept(views, TWO_VCPUS)

    view = swept(views, COUNTS | {"vcpu.0.time": 3_500_000_000, "vcpu.0.delay": 500_000_000})

    assert (view.vcpu_time_s, view.vcpu_delay_s) == (4.5, 0.75)


def test_a_domain_that_was_started_again_counts_from_zero() -> None:
    views = DomainViews("host")
    swept(views, TWO_VCPUS, number=1)

    assert swept(views, COUNTS | {"vcpu.0.time": 1_000_000_000}, number=2).vcpu_time_s == 1.0


def test_a_sweep_without_counters_reads_none_and_forgets_nothing() -> None:
    views = DomainViews("host")
    before = swept(views, TWO_VCPUS).vcpu_time_s

    missing = swept(views, COUNTS).vcpu_time_s

    assert (missing, swept(views, TWO_VCPUS).vcpu_time_s) == (None, before)


@pytest.mark.parametrize(
    ("state", "read_as"),
    [
        pytest.param(1, RunState.RUNNING, id="running"),
        pytest.param(3, RunState.PAUSED, id="paused"),
        pytest.param(4, RunState.OTHER, id="shutting down"),
        pytest.param(6, RunState.OTHER, id="crashed"),
        pytest.param(7, RunState.OTHER, id="suspended by its own power management"),
    ],
)
def test_states_between_running_and_paused_are_looked_at_and_not_touched(
    state: int, read_as: RunState
) -> None:
    assert swept(DomainViews("host"), TWO_VCPUS | {"state.state": state}).state is read_as
