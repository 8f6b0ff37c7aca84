"""Each rule by what its source says that it does, over reports made by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, nan

import numpy as np
import pytest

from autoscaler.core.policy import Sla
from autoscaler.replay.baseline_run import run_baselines
from autoscaler.replay.baselines.baseline import Baseline, Rule, Seen
from autoscaler.replay.baselines.hindsight import P995, PEAK
from autoscaler.replay.baselines.hpa import Hpa
from autoscaler.replay.baselines.load_average import LoadAverage
from autoscaler.replay.baselines.target_tracking import TargetTracking
from autoscaler.replay.baselines.threshold import Threshold
from autoscaler.replay.baselines.vpa import Vpa
from autoscaler.replay.circumstances import Circumstances
from tests.fakes.replayed import trace_of


class Guest:
    """One domain whose guest does as it is told between two looks of a rule."""

    def __init__(self, rule: Rule, online: int = 4) -> None:
        self.baseline: Baseline = rule.begin([trace_of([1.0])], np.array([online]))
        self.every_s = rule.every_s
        self.online, self.now_s = online, 0.0
        self.at_s, self.busy_s, self.ran_s = 0.0, 0.0, 0.0

    def look(self, busy: float, *, load1: float = 0.0, load5: float = 0.0) -> int:
        """What the rule wants when so many vCPUs were busy since it last looked; NaN: no answer."""
        self.now_s += self.every_s
        known = not np.isnan(busy)
        if known:
            self.busy_s += busy * self.every_s
            self.ran_s += self.online * self.every_s
            self.at_s = self.now_s
        seen = Seen(
            now_s=self.now_s,
            known=np.array([known]),
            online=np.array([self.online]),
            busy_vcpus=np.array([busy if known else 0.0]),
            load1=np.array([load1]),
            load5=np.array([load5]),
            at_s=np.array([self.at_s]),
            busy_s=np.array([self.busy_s]),
            ran_s=np.array([self.ran_s]),
        )
        return int(self.baseline.want(seen)[0])

    def follow(self, several: Sequence[float]) -> Iterator[int]:
        """The same over and over, where the guest runs at once what is wanted."""
        for busy in several:
            self.online = self.look(busy)
            yield self.online


@pytest.mark.parametrize(
    ("rule", "vcpus"), [pytest.param(PEAK, 7, id="the peak"), pytest.param(P995, 2, id="P99.5 and a fifth")]
)
def test_hindsight_sizes_by_the_whole_series_and_never_moves(rule: Rule, vcpus: int) -> None:
    baseline = rule.begin([trace_of([1.5] * 999 + [6.5, nan])], np.array([1]))
    assert baseline.start.tolist() == [vcpus]
    assert rule.every_s == float("inf")


def test_hindsight_stays_within_the_maximum() -> None:
    assert PEAK.begin([trace_of([9.0], maximum=4)], np.array([1])).start.tolist() == [4]


@pytest.mark.parametrize(
    ("busy", "vcpus"),
    [
        pytest.param(3.3, 5, id="above the high mark"),
        pytest.param(3.2, 4, id="at it"),
        pytest.param(0.8, 4, id="at the low mark"),
        pytest.param(0.7, 3, id="below it"),
        pytest.param(nan, 4, id="unread"),
    ],
)
def test_thresholds_move_by_one(busy: float, vcpus: int) -> None:
    assert Guest(Threshold()).look(busy) == vcpus


@pytest.mark.parametrize(
    ("busy", "vcpus"),
    [
        pytest.param(3.9, 6, id="grows in proportion"),
        pytest.param(2.8, 4, id="within the tolerance"),
        pytest.param(2.4, 4, id="within the tolerance below"),
        pytest.param(1.3, 4, id="what was found at the start holds a shrink up"),
        pytest.param(nan, 4, id="no metric"),
    ],
)
def test_the_pod_autoscaler_follows_utilisation_over_target(busy: float, vcpus: int) -> None:
    assert Guest(Hpa()).look(busy) == vcpus


def test_the_pod_autoscaler_shrinks_to_the_highest_recommendation_of_five_minutes() -> None:
    counts = list(Guest(Hpa()).follow([1.3] * 5 + [1.9] + [1.3] * 40))
    assert counts.index(3) * 15.0 == 300.0
    assert counts.index(2) * 15.0 == (5 + 1) * 15.0 + 300.0


def test_the_pod_autoscaler_at_most_doubles_or_adds_four() -> None:
    assert Guest(Hpa(target_ratio=0.1), online=2).look(2.0) == 6
    assert Guest(Hpa(target_ratio=0.1), online=10).look(10.0) == 20


def test_target_tracking_grows_after_three_high_minutes_and_shrinks_after_fifteen_low_ones() -> None:
    rule = TargetTracking(target_ratio=0.5)
    assert list(Guest(rule).follow([3.0, 3.0, 3.0])) == [4, 4, 6]
    counts = list(Guest(rule).follow([1.0] * 16))
    assert counts.index(2) == 14
    assert list(Guest(rule).follow([3.0, nan, 3.0, 3.0])) == [4, 4, 4, 4]


def test_target_tracking_leaves_a_guest_just_below_its_target_alone() -> None:
    assert list(Guest(TargetTracking(target_ratio=0.5)).follow([1.9] * 40)) == [4] * 40


def test_target_tracking_waits_five_minutes_between_two_shrinks() -> None:
    guest = Guest(TargetTracking(target_ratio=0.5), online=8)
    counts = list(guest.follow([2.0] * 15 + [0.4] * 30))
    shrinks = [index for index in range(1, 45) if counts[index] < counts[index - 1]]
    assert shrinks[0] == 14
    assert shrinks[1] - shrinks[0] >= 5


def test_target_tracking_grows_further_for_five_minutes_only_by_more_than_it_grew() -> None:
    steps = Guest(TargetTracking(target_ratio=0.5), online=2)
    assert list(steps.follow([1.5] * 3 + [2.0] * 5)) == [2, 2, 3, 3, 3, 3, 3, 4]
    steep = Guest(TargetTracking(target_ratio=0.5), online=4)
    # The mean of three minutes is 5 when two of them are at 6: 4 more than there are, of which 2 came before.
    assert list(steep.follow([3.0] * 3 + [6.0] * 5)) == [4, 4, 6, 6, 8, 8, 8, 12]


@pytest.mark.parametrize(
    ("before", "after"),
    [pytest.param(6.0, 2.0, id="down"), pytest.param(1.0, 6.0, id="up"), pytest.param(0.5, 0.5, id="none")],
)
def test_target_tracking_settles_at_what_a_constant_load_takes_and_stays(before: float, after: float) -> None:
    trace = trace_of([before] * 180 + [after] * 720, maximum=32)
    rule = TargetTracking()
    (course,) = run_baselines([rule], [trace], Circumstances(), Sla())[rule.name]
    counts = course.online_vcpus[180:]
    assert counts[-1] == ceil(after / rule.target_ratio)
    # It comes there from one side, and never goes back.
    assert len(set(np.sign(np.diff(counts))) - {0}) <= 1


def test_the_percentile_of_the_histogram_gets_its_margin_and_fades() -> None:
    guest = Guest(Vpa())
    assert list(guest.follow([2.0] * 60))[-1] == 3
    calm = list(guest.follow([0.2] * 6 * 1440))
    assert calm[0] == 3
    assert calm[-1] == 1
    # Were no sample to fade, it would take nine times as many low ones as there were high ones.
    assert 400 < calm.index(1) < 9 * 60


def test_the_histogram_takes_no_silence_for_use() -> None:
    guest = Guest(Vpa())
    assert list(guest.follow([2.0, nan, nan, nan, nan])) == [3, 3, 3, 3, 3]


@pytest.mark.parametrize(
    ("load1", "load5", "vcpus"),
    [
        pytest.param(2.4, 2.0, 2, id="stable: load5 alone"),
        pytest.param(4.0, 2.0, 4, id="far apart: load1 alone"),
        pytest.param(2.65, 2.0, 3, id="in between: half of each"),
        pytest.param(0.0, 0.0, 1, id="idle"),
        pytest.param(0.5, 3.0, 1, id="a fall counts at once"),
    ],
)
def test_the_blend_of_load_averages_is_kept_at_nine_tenths(load1: float, load5: float, vcpus: int) -> None:
    assert Guest(LoadAverage()).look(1.0, load1=load1, load5=load5) == vcpus


def test_load_averages_of_a_silent_guest_change_nothing() -> None:
    guest = Guest(LoadAverage())
    guest.look(1.0, load1=8.0, load5=2.0)
    assert guest.look(nan) == 9
