"""The service level: how slices come out, what they leave of the budget, and what a restart keeps of them."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import pytest

from autoscaler.core.demand import Load
from autoscaler.core.model import CpuSource
from autoscaler.core.policy import Indicator, Sla
from autoscaler.core.slo import SliceOutcome, Slo

GOOD, BAD, UNKNOWN = SliceOutcome.GOOD, SliceOutcome.BAD, SliceOutcome.UNKNOWN

SLA = Sla(below=0.80, slice_s=60.0, objective_ratio=0.99, window_s=86400.0)
"""A day of 1440 slices, 14.4 of which may be bad."""


def load(at_s: float, span_s: float, ratio: float = 0.5, **measured: float | None) -> Load:
    """What a guest with two vCPUs did up to a moment, wanting this share of them."""
    base = Load(
        at_s=at_s,
        span_s=span_s,
        source=CpuSource.PROC_STAT,
        online=2,
        busy_vcpus=min(ratio, 1.0) * 2,
        steal_vcpus=0.0,
        demand_vcpus=ratio * 2,
    )
    return replace(base, **measured)  # type: ignore[arg-type]


def sliced(*loads: Load | None, sla: Sla = SLA, until_s: float) -> list[SliceOutcome]:
    """The slices that close when each load is fed as it ends, nothing being measured afterwards."""
    slo, outcomes = Slo(sla, 0.0), list[SliceOutcome]()
    for one in loads:
        outcomes += slo.feed(one, one.at_s if one else 0.0)
    return [*outcomes, *slo.feed(None, until_s)]


def lived(pattern: str, slo: Slo | None = None, start_s: float = 0.0) -> tuple[Slo, float]:
    """A service level after slices of this pattern, and when: ``g`` good, ``b`` bad, ``u`` unknown."""
    slo = slo or Slo(SLA, start_s)
    now_s = start_s
    for letter in pattern:
        now_s += slo.sla.slice_s
        measured = load(now_s, slo.sla.slice_s, 0.5 if letter == "g" else 0.9)
        slo.feed(None if letter == "u" else measured, now_s)
    return slo, now_s


@pytest.mark.parametrize(
    ("loads", "outcome"),
    [
        pytest.param([load(60, 60, 0.79)], GOOD, id="below the limit"),
        pytest.param([load(60, 60, 0.80)], BAD, id="at the limit is not below it"),
        pytest.param([load(60, 60, 1.70)], BAD, id="more is wanted than there is"),
        pytest.param([load(40, 40, 0.50), load(60, 20, 1.30)], GOOD, id="a short peak within a calm minute"),
        pytest.param([load(20, 20, 0.50), load(60, 40, 1.00)], BAD, id="a long peak"),
        pytest.param([load(1, 1, 9.00), load(60, 59, 0.50)], GOOD, id="a second counts for a second"),
        pytest.param([load(30, 30, 0.50)], GOOD, id="half of it measured"),
        pytest.param([load(29, 29, 0.50)], UNKNOWN, id="less than half measured"),
        pytest.param([load(29, 29, 2.00)], UNKNOWN, id="less than half measured, all of it bad"),
        pytest.param([load(15, 15, 0.90), load(60, 15, 0.90)], BAD, id="half measured with a gap"),
        pytest.param(
            [load(20, 20, 0.0), load(60, 20, 1.0)], GOOD, id="a gap is no idle time but none at all"
        ),
        pytest.param([load(20, 20, 0.7), load(60, 20, 1.0)], BAD, id="nor does it dilute"),
        pytest.param([], UNKNOWN, id="nothing measured"),
    ],
)
def test_a_slice_is_judged_by_the_mean_of_what_was_measured_of_it(
    loads: list[Load], outcome: SliceOutcome
) -> None:
    assert sliced(*loads, until_s=120.0) == [outcome]


@pytest.mark.parametrize(
    ("indicator", "below", "measured", "outcome"),
    [
        pytest.param(Indicator.PRESSURE, 0.10, {"pressure_ratio": 0.09}, GOOD, id="little pressure"),
        pytest.param(Indicator.PRESSURE, 0.10, {"pressure_ratio": 0.11}, BAD, id="much pressure"),
        pytest.param(Indicator.PRESSURE, 0.10, {"pressure_ratio": None}, UNKNOWN, id="pressure is not told"),
        pytest.param(Indicator.RUN_QUEUE, 1.5, {"runnable": 2}, GOOD, id="a short queue"),
        pytest.param(Indicator.RUN_QUEUE, 1.5, {"runnable": 3}, BAD, id="a long queue"),
        pytest.param(Indicator.RUN_QUEUE, 1.5, {"runnable": None}, UNKNOWN, id="the queue is not told"),
    ],
)
def test_the_indicator_is_the_one_that_the_policy_names(
    indicator: Indicator, below: float, measured: dict[str, float | None], outcome: SliceOutcome
) -> None:
    sla = replace(SLA, indicator=indicator, below=below)
    assert sliced(load(60, 60, 1.0, **measured), sla=sla, until_s=60.0) == [outcome]


@pytest.mark.parametrize(
    ("ratio", "stolen", "outcome"),
    [
        pytest.param(0.5, 0.05, GOOD, id="a little withheld"),
        pytest.param(0.5, 0.30, UNKNOWN, id="what looks good may only be starved"),
        pytest.param(0.9, 0.30, BAD, id="what looks bad is"),
    ],
)
def test_a_guest_that_the_host_starves_is_never_good(
    ratio: float, stolen: float, outcome: SliceOutcome
) -> None:
    assert sliced(load(60, 60, ratio, steal_vcpus=2 * stolen), until_s=60.0) == [outcome]


def test_a_measurement_longer_than_a_slice_counts_for_every_slice_it_covers() -> None:
    slo = Slo(SLA, 0.0)
    assert slo.feed(load(300, 300, 0.9), 300.0) == (BAD,) * 5
    assert slo.feed(load(600, 300, 0.5), 600.0) == (GOOD,) * 5


def test_a_measurement_across_two_slices_is_shared_out_between_them() -> None:
    loads = [load(45, 45, 0.70), load(75, 30, 1.00), load(120, 45, 0.75)]
    assert sliced(*loads, until_s=120.0) == [GOOD, BAD]


def test_a_slice_closes_once_something_after_it_was_measured() -> None:
    slo = Slo(SLA, 0.0)
    assert slo.feed(load(59.5, 59.5), 59.9) == ()
    assert slo.feed(load(60.5, 1.0), 60.9) == (GOOD,)


def test_a_slice_waits_as_long_as_it_is_for_an_answer_that_is_late() -> None:
    slo = Slo(SLA, 0.0)
    assert slo.feed(load(20, 20, 0.9), 20.0) == ()
    assert slo.feed(None, 119.0) == ()
    assert slo.feed(load(119, 99, 0.9), 119.5) == (BAD,)
    assert slo.feed(None, 120.0) == ()
    assert slo.feed(None, 180.0) == (BAD,)


def test_an_answer_that_is_too_late_counts_only_for_slices_still_open() -> None:
    slo = Slo(SLA, 0.0)
    assert slo.feed(None, 150.0) == (UNKNOWN,)
    assert slo.feed(load(151, 151, 0.9), 151.0) == (BAD,)


def test_what_was_measured_once_is_not_measured_again() -> None:
    slo = Slo(SLA, 0.0)
    slo.feed(load(20, 20, 1.5), 20.0)
    for now_s in range(21, 60):
        slo.feed(load(20, 20, 1.5), float(now_s))
        slo.feed(load(now_s, now_s, 0.1), float(now_s))
    assert slo.feed(load(60, 1, 0.1), 60.0) == (GOOD,)


def test_an_hour_in_which_the_service_stood_still_is_unknown_but_for_what_was_measured_of_it() -> None:
    slo, now_s = lived("g")
    assert slo.feed(load(3660, 1, 0.5), now_s + 3600) == (UNKNOWN,) * 60
    slo, now_s = lived("g")
    assert slo.feed(load(3660, 3600, 0.9), now_s + 3600) == (BAD,) * 60


def test_a_slice_starts_when_the_domain_is_first_seen_and_not_on_the_minute() -> None:
    slo = Slo(SLA, 1017.5)
    assert slo.feed(load(1077.0, 59.0), 1077.0) == ()
    assert slo.feed(load(1077.5, 0.5), 1077.5) == (GOOD,)


def test_a_slice_closes_on_time_though_its_end_is_reached_only_but_for_a_last_bit() -> None:
    slo = Slo(SLA, 4.1)
    assert (4.1 + 60 - 4.1) / 60 < 1
    assert slo.feed(load(4.1 + 60, 60.0), 4.1 + 60) == (GOOD,)


def test_a_fresh_report_promises_nothing() -> None:
    report = Slo(SLA, 0.0).report()
    assert (report.good, report.bad, report.unknown) == (0, 0, 0)
    assert report.attained_ratio is None
    assert report.budget_remaining_ratio == 1.0
    assert report.exhausted_in_s is None
    assert dict(report.burn_rates) == dict.fromkeys(["5m", "30m", "1h", "6h", "3d", "window"])
    assert report.slices_total == {GOOD: 0, BAD: 0, UNKNOWN: 0}


def test_a_report_counts_the_slices_of_the_window_with_unknown_ones_apart() -> None:
    report = lived("ggugbugggggg")[0].report()
    assert (report.good, report.bad, report.unknown) == (9, 1, 2)
    assert report.attained_ratio == pytest.approx(0.9)
    assert report.slices_total == {GOOD: 9, BAD: 1, UNKNOWN: 2}


@pytest.mark.parametrize(
    ("pattern", "bad"), [("", False), ("gb", True), ("gbu", True), ("gbg", False), ("uu", False)]
)
def test_a_report_says_whether_the_last_measured_slice_was_bad(pattern: str, bad: bool) -> None:  # noqa: FBT001
    assert lived(pattern)[0].report().last_slice_bad is bad


def test_the_budget_is_what_a_whole_window_may_have_of_bad_slices() -> None:
    assert lived("gb" * 7)[0].report().budget_remaining_ratio == pytest.approx(1 - 7 / 14.4)
    assert lived("gb" * 18)[0].report().budget_remaining_ratio == pytest.approx(1 - 18 / 14.4)


def test_a_burn_rate_is_the_bad_share_of_the_known_slices_over_the_share_allowed() -> None:
    pattern = "b" * 60 + "g" * 270 + "b" * 6 + "u" * 6 + "g" * 14 + "bbgg"
    rates = lived(pattern)[0].report().burn_rates
    assert rates["5m"] == pytest.approx(100 * 2 / 5)
    assert rates["30m"] == pytest.approx(100 * 8 / 24)
    assert rates["1h"] == pytest.approx(100 * 8 / 54)
    assert rates["6h"] == pytest.approx(100 * 68 / 354)
    assert rates["3d"] == rates["window"] == rates["6h"]


def test_the_last_six_hours_are_counted_slice_by_slice() -> None:
    pattern = "ub" + "g" * 359
    assert lived(pattern)[0].report().burn_rates["6h"] == pytest.approx(100 / 360)
    assert lived(pattern + "g")[0].report().burn_rates["6h"] == 0.0


def test_a_burn_rate_of_a_time_in_which_nothing_is_known_is_none() -> None:
    rates = lived("b" * 30 + "u" * 40)[0].report().burn_rates
    assert rates["5m"] is None
    assert rates["30m"] is None
    assert rates["6h"] == pytest.approx(100.0)


def test_a_burn_rate_forgets_what_is_older_than_its_span() -> None:
    rates = lived("b" * 60 + "g" * 360)[0].report().burn_rates
    assert rates["6h"] == 0.0
    assert rates["window"] == pytest.approx(100 * 60 / 420)


@pytest.mark.parametrize(
    ("pattern", "in_s"),
    [
        pytest.param("g" * 90, None, id="nothing burns"),
        pytest.param("b" * 6 + "g" * 60, None, id="nothing burned within the hour"),
        pytest.param("u" * 60, None, id="nothing is known"),
        pytest.param("gggggggggb" * 6, (14.4 - 6) * 600.0, id="one in ten minutes"),
        pytest.param("gb" + "u" * 57 + "g", None, id="the one known of the last five minutes is good"),
        pytest.param("gb" + "u" * 58, (14.4 - 1) * 120.0, id="nothing is known of the last five minutes"),
        pytest.param("b" * 6 + "g" * 4, (14.4 - 6) * 100.0, id="the last of it four minutes ago"),
        pytest.param("b" * 6 + "g" * 5, None, id="the last of it five minutes ago"),
        pytest.param("g" * 46 + "b" * 14, 0.4 * 60 * 60 / 14, id="almost spent"),
        pytest.param("b" * 15 + "g" * 100, 0.0, id="spent"),
    ],
)
def test_the_budget_runs_out_at_the_pace_of_the_last_hour(pattern: str, in_s: float | None) -> None:
    report = lived(pattern)[0].report()
    assert report.exhausted_in_s == (None if in_s is None else pytest.approx(in_s))


def test_the_window_moves_on_and_the_totals_stay() -> None:
    slo, now_s = lived("b" * 20 + "u" * 10)
    slo, _ = lived("g" * 1440, slo, now_s)
    report = slo.report()
    assert (report.bad, report.unknown) == (0, 0)
    assert report.good + SLA.window_s / SLA.slice_s / 720 >= 1440
    assert report.budget_remaining_ratio == 1.0
    assert report.slices_total == {GOOD: 1440, BAD: 20, UNKNOWN: 10}


def test_a_report_does_not_change_once_it_was_given() -> None:
    slo, now_s = lived("gg")
    before = slo.report()
    lived("bb", slo, now_s)
    assert (before.good, before.bad) == (2, 0)
    assert (slo.report().good, slo.report().bad) == (2, 2)


def test_a_restart_within_a_slice_keeps_what_was_measured_of_it() -> None:
    slo, _ = lived("gb")
    slo.feed(load(145, 25, 0.9), 145.0)
    restarted = Slo.load(SLA, slo.dump(147.0), 1003.0, 3.0)
    assert restarted.feed(None, 1032.0) == ()
    assert restarted.feed(load(1033, 5, 0.9), 1033.0) == (BAD,)
    assert restarted.report().slices_total == {GOOD: 1, BAD: 2, UNKNOWN: 0}


def test_the_time_away_is_unknown() -> None:
    slo, now_s = lived("g" * 100 + "b" * 2)
    restarted = Slo.load(SLA, slo.dump(now_s), 5.0, 7200.0)
    report = restarted.report()
    assert report.slices_total == {GOOD: 100, BAD: 2, UNKNOWN: 119}
    assert report.burn_rates["1h"] is None
    assert restarted.feed(load(65, 60, 0.5), 65.0) == (UNKNOWN, GOOD)


def test_a_wall_clock_that_was_set_back_is_no_time_away() -> None:
    slo, now_s = lived("gb")
    restarted = Slo.load(SLA, slo.dump(now_s), 5.0, -7200.0)
    assert restarted.report() == slo.report()
    assert restarted.feed(load(65, 60, 0.5), 65.0) == (GOOD,)


def test_being_away_for_longer_than_the_window_leaves_only_the_totals() -> None:
    slo, now_s = lived("gb")
    report = Slo.load(SLA, slo.dump(now_s), 0.0, 20 * 365 * 86400.0).report()
    assert (report.good, report.bad) == (0, 0)
    assert report.slices_total[BAD] == 1
    assert report.slices_total[UNKNOWN] == 20 * 365 * 1440 - 1


def test_another_objective_judges_the_same_slices_anew() -> None:
    slo, now_s = lived("g" * 90 + "b" * 10)
    stricter = Slo.load(replace(SLA, objective_ratio=0.999), slo.dump(now_s), now_s, 0.0).report()
    assert (stricter.good, stricter.bad) == (90, 10)
    assert stricter.burn_rates["window"] == pytest.approx(100.0)


@pytest.mark.parametrize(
    "sla",
    [
        pytest.param(replace(SLA, below=0.9), id="another limit"),
        pytest.param(replace(SLA, indicator=Indicator.PRESSURE), id="another indicator"),
        pytest.param(replace(SLA, slice_s=30.0), id="another slice"),
        pytest.param(replace(SLA, window_s=2 * 86400.0), id="another window"),
    ],
)
def test_slices_of_another_meaning_are_not_taken_on(sla: Sla) -> None:
    slo, now_s = lived("g")
    with pytest.raises(ValueError, match="another service level"):
        Slo.load(sla, slo.dump(now_s), now_s, 0.0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("recent", "g100b19", id="too few slices"),
        pytest.param("recent", "g100b20u999999999999", id="far too many slices"),
        pytest.param("recent", "g100b20u1x", id="no outcome"),
        pytest.param("recent", "9g99b20", id="a figure of nothing"),
        pytest.param("window", "2/0*49 0/2*10", id="too few cells"),
        pytest.param("window", "0/0*999999999999", id="far too many cells"),
        pytest.param("window", "2/0*50 0/2*9 1/2", id="more slices than a cell has"),
        pytest.param("window", "2/0*50 0/2*9 -1/3", id="less than none"),
        pytest.param("window", "2/0*50 0/2*9 2", id="half a cell"),
        pytest.param("good", 99, id="fewer than are in the window"),
        pytest.param("bad", 21, id="more than there were"),
        pytest.param("seen", True, id="no number"),
        pytest.param("seen", 120.0, id="no whole number"),
    ],
)
def test_a_state_file_that_cannot_be_is_refused(key: str, value: object) -> None:
    slo, now_s = lived("g" * 100 + "b" * 20)
    dumped = json.loads(json.dumps(slo.dump(now_s)))
    Slo.load(SLA, dumped, now_s, 0.0)
    dumped["ledger"][key] = value
    with pytest.raises(ValueError, match=r"\w"):
        Slo.load(SLA, dumped, now_s, 0.0)


LARGEST = Sla(slice_s=10.0, window_s=90 * 86400.0, objective_ratio=0.99)
"""The shortest slice and the longest window that a policy may state."""


@pytest.mark.parametrize("sla", [Sla(), LARGEST], ids=["as by default", "the largest"])
def test_the_state_of_a_domain_stays_small_however_its_slices_come_out(sla: Sla) -> None:
    slo, now_s = Slo(sla, 0.0), 0.0
    cell_s = sla.window_s / 720
    for cell in range(720):
        bad_s = cell_s / 2 + cell * 7 % 20 * sla.slice_s
        slo.feed(load(now_s + cell_s - bad_s, cell_s - bad_s, 0.5), now_s + cell_s - bad_s)
        now_s += cell_s
        slo.feed(load(now_s, bad_s, 0.9), now_s)
    slo, now_s = lived("gb" * round(10800 / sla.slice_s), slo, now_s)
    assert slo.report().bad > slo.report().good > 0
    assert len(json.dumps(slo.dump(now_s))) < 10 * 1024


def test_the_memory_of_a_domain_is_small() -> None:
    tracemalloc.start()
    held = [Slo(LARGEST, 0.0) for _ in range(50)]
    for slo in held:
        slo.feed(load(600, 600, 0.9), 600.0)
        slo.report()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken / len(held) < 8 * 1024
