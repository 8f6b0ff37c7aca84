"""Demand: two samples give a load, or the reason why they do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.demand import DemandMeter, Dropped, Load
from autoscaler.core.model import CpuSource, DomainView, Sample
from tests.fakes.examples import SAMPLE, VIEW


def fed(
    before: Sample, after: Sample, *, view: DomainView = VIEW, view_after: DomainView = VIEW
) -> Load | Dropped:
    meter = DemandMeter()
    assert meter.feed(before, view) is Dropped.FIRST
    return meter.feed(after, view_after)


def load_of(before: Sample, after: Sample) -> Load:
    load = fed(before, after)
    assert isinstance(load, Load)
    return load


def later(sample: Sample, *, by_s: float = 2.0, busy_s: float = 0.0, steal_s: float = 0.0) -> Sample:
    """The sample that follows after `by_s`, in which the guest used and missed so many vCPU-seconds."""
    return replace(
        sample, at_s=sample.at_s + by_s, busy_s=sample.busy_s + busy_s, steal_s=sample.steal_s + steal_s
    )


def test_a_load_is_the_difference_of_two_samples_per_second() -> None:
    load = load_of(SAMPLE, later(SAMPLE, by_s=4.0, busy_s=2.0, steal_s=0.4))
    assert load.at_s == 104.0
    assert load.span_s == 4.0
    assert load.online == 2
    assert load.busy_vcpus == pytest.approx(0.5)
    assert load.demand_vcpus == pytest.approx(0.5)
    assert load.utilization_ratio == pytest.approx(0.25)
    assert load.steal_ratio == pytest.approx(0.05)
    assert not load.saturated


def test_an_idle_guest_has_a_load_of_zero_and_not_none() -> None:
    assert load_of(SAMPLE, later(SAMPLE)).busy_vcpus == 0.0


@pytest.mark.parametrize(
    ("after", "why"),
    [
        pytest.param(later(SAMPLE, by_s=0.0, busy_s=1.0), Dropped.TOO_SHORT, id="no time between them"),
        pytest.param(later(SAMPLE, by_s=-1.0, busy_s=1.0), Dropped.TOO_SHORT, id="out of order"),
        pytest.param(
            replace(later(SAMPLE, busy_s=1.0), source=CpuSource.CPUSTATS), Dropped.SOURCE, id="another source"
        ),
        pytest.param(
            replace(later(SAMPLE, busy_s=1.0), boot_s=1_800_000_009.0), Dropped.REBOOT, id="another boot"
        ),
        pytest.param(later(SAMPLE, busy_s=-0.1), Dropped.BACKWARDS, id="busy ran backwards"),
        pytest.param(later(SAMPLE, steal_s=-0.1), Dropped.BACKWARDS, id="steal ran backwards"),
        pytest.param(later(SAMPLE, busy_s=1e13), Dropped.IMPOSSIBLE, id="more time than there was"),
        pytest.param(
            replace(later(SAMPLE, busy_s=1.0), online=frozenset({0, 1, 2})), Dropped.VCPUS, id="more vCPUs"
        ),
        pytest.param(
            replace(later(SAMPLE, busy_s=1.0), online=frozenset({0, 2})),
            Dropped.VCPUS,
            id="as many, but others",
        ),
    ],
)
def test_samples_that_do_not_belong_together_give_no_figure(after: Sample, why: Dropped) -> None:
    assert fed(SAMPLE, after) is why


def test_a_dropped_interval_is_followed_by_a_good_one() -> None:
    meter = DemandMeter()
    meter.feed(SAMPLE, VIEW)
    grown = replace(later(SAMPLE, busy_s=1.0), online=frozenset({0, 1, 2}))
    assert meter.feed(grown, VIEW) is Dropped.VCPUS
    assert isinstance(meter.feed(later(grown, busy_s=1.0), VIEW), Load)


def test_a_meter_that_was_reset_needs_two_samples_again() -> None:
    meter = DemandMeter()
    meter.feed(SAMPLE, VIEW)
    meter.reset()
    assert meter.feed(later(SAMPLE), VIEW) is Dropped.FIRST


@pytest.mark.parametrize("boot_s", [1_800_000_001.9, 1_799_999_998.1, None])
def test_a_boot_time_that_wobbles_or_is_not_told_is_no_reboot(boot_s: float | None) -> None:
    assert isinstance(fed(SAMPLE, replace(later(SAMPLE, busy_s=1.0), boot_s=boot_s)), Load)


def test_busy_is_never_more_than_the_vcpus_that_ran() -> None:
    assert load_of(SAMPLE, later(SAMPLE, busy_s=4.04)).busy_vcpus == 2.0


@pytest.mark.parametrize(
    ("busy_s", "runnable", "demand"),
    [
        pytest.param(3.5, 9, 1.75, id="below saturation the run queue says nothing"),
        pytest.param(3.6, 3, 2.8, id="at saturation who found no vCPU counts on top"),
        pytest.param(4.0, 2, 2.0, id="everyone found a vCPU"),
        pytest.param(4.0, 0, 2.0, id="a queue shorter than the vCPUs takes nothing away"),
        pytest.param(4.0, 500, 4.0, id="at most twice the vCPUs"),
        pytest.param(4.0, None, 2.0, id="a source without a run queue"),
    ],
)
def test_demand_is_busy_and_at_saturation_the_queue_on_top(
    busy_s: float, runnable: int | None, demand: float
) -> None:
    after = replace(later(SAMPLE, busy_s=busy_s), runnable=runnable)
    assert load_of(SAMPLE, after).demand_vcpus == pytest.approx(demand)


@pytest.mark.parametrize(
    ("before_s", "after_s", "ratio"),
    [
        pytest.param(10.0, 10.5, 0.25, id="tasks waited a quarter of the time"),
        pytest.param(10.0, 10.0, 0.0, id="nobody waited"),
        pytest.param(10.0, 12.1, 1.0, id="never more than the whole"),
        pytest.param(10.0, 9.0, None, id="the counter ran backwards"),
        pytest.param(None, 9.0, None, id="not told before"),
        pytest.param(9.0, None, None, id="not told now"),
    ],
)
def test_pressure_is_the_share_of_the_time_in_which_tasks_waited_and_without_it_the_rest_stands(
    before_s: float | None, after_s: float | None, ratio: float | None
) -> None:
    load = load_of(
        replace(SAMPLE, pressure_s=before_s), replace(later(SAMPLE, busy_s=1.0), pressure_s=after_s)
    )
    assert load.pressure_ratio == (None if ratio is None else pytest.approx(ratio))
    assert load.busy_vcpus == pytest.approx(0.5)


@pytest.mark.parametrize(("runnable", "ratio"), [(0, 0.0), (3, 1.5), (None, None)])
def test_the_run_queue_is_that_of_the_later_sample_over_its_vcpus(
    runnable: int | None, ratio: float | None
) -> None:
    load = load_of(replace(SAMPLE, runnable=9), replace(later(SAMPLE), runnable=runnable))
    assert (load.runnable, load.run_queue_ratio) == (runnable, ratio)


@pytest.mark.parametrize(
    ("before_s", "after_s", "span_s", "ratio"),
    [
        pytest.param(10.0, 11.0, 2.0, 0.25, id="the host saw more than the guest"),
        pytest.param(10.0, 10.1, 2.0, 0.10, id="the guest saw more than the host"),
        pytest.param(10.0, 99.0, 2.0, 1.00, id="never more than the whole"),
        pytest.param(10.0, 1.0, 2.0, 0.10, id="a thread was replaced"),
        pytest.param(None, 1.0, 2.0, 0.10, id="the host could not see it before"),
        pytest.param(1.0, None, 2.0, 0.10, id="the host cannot see it now"),
        pytest.param(10.0, 11.0, 0.0, 0.10, id="the same sweep twice"),
    ],
)
def test_steal_is_the_larger_of_what_guest_and_host_saw(
    before_s: float | None, after_s: float | None, span_s: float, ratio: float
) -> None:
    load = fed(
        SAMPLE,
        later(SAMPLE, busy_s=1.0, steal_s=0.4),
        view=replace(VIEW, vcpu_delay_s=before_s),
        view_after=replace(VIEW, vcpu_delay_s=after_s, at_s=VIEW.at_s + span_s),
    )
    assert isinstance(load, Load)
    assert load.steal_ratio == pytest.approx(ratio)


def test_two_samples_almost_at_once_are_measured_against_the_one_before_them() -> None:
    """A tick that an event brought forward must not judge a guest by a few clock ticks."""
    meter = DemandMeter()
    meter.feed(SAMPLE, VIEW)
    hasty = later(SAMPLE, by_s=0.03, busy_s=0.06)
    assert meter.feed(hasty, VIEW) is Dropped.TOO_SHORT
    load = meter.feed(later(SAMPLE, by_s=1.0, busy_s=0.5), VIEW)
    assert isinstance(load, Load)
    assert load.span_s == pytest.approx(1.0)
    assert load.busy_vcpus == pytest.approx(0.5)


@pytest.mark.parametrize(("before", "after"), [(2, 4), (4, 2)], ids=["growth", "shrink"])
def test_over_a_change_of_the_vcpus_the_service_level_goes_by_the_fewer_of_them(
    before: int, after: int
) -> None:
    meter = DemandMeter()
    meter.feed(replace(SAMPLE, online=frozenset(range(before))), VIEW)
    changed = replace(
        SAMPLE, at_s=SAMPLE.at_s + 10, busy_s=SAMPLE.busy_s + 25, online=frozenset(range(after)), runnable=9
    )
    assert meter.feed(changed, VIEW) is Dropped.VCPUS
    load = meter.over_change
    assert load is not None
    assert (load.online, load.busy_vcpus, load.demand_vcpus, load.runnable) == (2, 2.5, 2.5, None)
    meter.feed(replace(changed, at_s=changed.at_s + 10), VIEW)
    assert meter.over_change is None
