"""Recordings on an even grid: what is mended, what is a gap, and what is made up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from autoscaler.replay.findings import Mend
from autoscaler.replay.noise import VARIATION, chance, wobble
from autoscaler.replay.trace import Trace
from tests.fakes.trace_files import csv_of, read, written

NAN = float("nan")


def trace_of(
    folder: Path, rows: Sequence[tuple[float, object]], *, step_s: float = 10.0, seed: int = 1
) -> tuple[Trace, tuple[str, ...]]:
    """The trace of rows of time and demand, and what was mended."""
    path = written(folder, csv_of(("web", *row) for row in rows))
    reading = read(path, step_s=step_s, seed=seed)
    return reading.traces[0], tuple(repair.removeprefix(str(path)) for repair in reading.repairs)


def test_rows_on_the_grid_are_taken_to_the_last_digit(tmp_path: Path) -> None:
    values = np.random.default_rng(1).uniform(0, 8, 1000).tolist()

    trace, repairs = trace_of(tmp_path, [(7.5 + 10 * row, value) for row, value in enumerate(values)])

    assert trace.demand_vcpus.tolist() == values
    assert (trace.start_s, trace.recorded_s, trace.interpolated, repairs) == (7.5, 10, False, ())


def test_rows_out_of_order_are_sorted_and_said(tmp_path: Path) -> None:
    trace, repairs = trace_of(tmp_path, [(20, 3), (0, 1), (10, 2)])

    assert trace.demand_vcpus.tolist() == [1, 2, 3]
    assert repairs == (
        ":3: 1x, the first one here: rows were not in the order of their time and were sorted",
    )


def test_a_row_that_says_the_same_again_is_dropped_and_said(tmp_path: Path) -> None:
    trace, repairs = trace_of(tmp_path, [(0, 1), (10, 2), (10, 2.0), (20, 3)])

    assert trace.demand_vcpus.tolist() == [1, 2, 3]
    assert repairs == (":4: 1x, the first one here: rows that repeat another's time and value were dropped",)


def test_several_rows_in_a_step_are_their_mean(tmp_path: Path) -> None:
    trace, _ = trace_of(tmp_path, [(second, second % 4) for second in range(40)])

    assert trace.demand_vcpus.tolist() == pytest.approx([1.3, 1.7, 1.3, 1.7])
    assert trace.recorded_s == 1


def test_uneven_rows_count_by_the_time_that_they_held_and_are_said(tmp_path: Path) -> None:
    trace, repairs = trace_of(tmp_path, [(0, 1), (10, 2), (18, 6), (30, 3), (40, 3)])

    assert trace.demand_vcpus.tolist() == pytest.approx([1, (8 * 2 + 2 * 6) / 10, 6, 3, 3])
    assert repairs == (
        ":3: 2x, the first one here: rows came at uneven intervals; what a step has is the mean by time",
    )


def test_two_rows_that_are_missing_are_bridged_by_the_one_before(tmp_path: Path) -> None:
    trace, repairs = trace_of(tmp_path, [(0, 1), (10, 2), (40, 3), (50, 4)])

    assert trace.demand_vcpus.tolist() == [1, 2, 2, 2, 3, 4]
    assert len(repairs) == 1


def test_three_rows_that_are_missing_are_a_gap_and_said(tmp_path: Path) -> None:
    trace, repairs = trace_of(tmp_path, [(0, 1), (10, 2), (50, 3), (60, 4)])

    np.testing.assert_equal(trace.demand_vcpus, [1, 2, NAN, NAN, NAN, 3, 4])
    assert repairs == (f":4: 1x, the first one here: {Mend.GAP.value}",)


@pytest.mark.parametrize("empty", ["", "nan", "NaN"])
def test_a_row_without_a_value_is_a_gap_and_said(tmp_path: Path, empty: str) -> None:
    trace, repairs = trace_of(tmp_path, [(0, 1), (10, empty), (20, 3)])

    np.testing.assert_equal(trace.demand_vcpus, [1, NAN, 3])
    assert repairs == (":3: 1x, the first one here: rows without a value are gaps",)


def test_a_step_is_known_when_half_of_it_was_recorded(tmp_path: Path) -> None:
    empty = {*range(12, 17), *range(21, 27)}
    rows = [(second, "" if second in empty else 2) for second in range(30)]

    trace, _ = trace_of(tmp_path, rows)

    np.testing.assert_equal(trace.demand_vcpus, [2, 2, NAN])


def test_clocks_that_jitter_do_not_make_an_interpolated_trace(tmp_path: Path) -> None:
    trace, repairs = trace_of(tmp_path, [(0, 1), (10.02, 1), (20.01, 1), (30.03, 1), (40.04, 1)])

    assert (trace.recorded_s, trace.interpolated, repairs) == (10, False, ())
    assert trace.demand_vcpus == pytest.approx(1)


def test_between_coarse_rows_demand_lies_on_a_line_between_their_means_with_noise(tmp_path: Path) -> None:
    means = [1.0, 4.0, 4.0, 2.0, 3.0] * 40

    trace, _ = trace_of(tmp_path, [(300 * row, mean) for row, mean in enumerate(means)])

    middles = 300 * np.arange(len(means)) + 150
    line = np.interp(10 * np.arange(6000) + 5, middles, means)
    ratio = trace.demand_vcpus / line
    assert (trace.recorded_s, trace.interpolated, len(ratio)) == (300, True, 6000)
    assert trace.demand_vcpus.sum() == pytest.approx(line.sum())
    assert 0.10 < ratio.std() / ratio.mean() < 0.15
    assert trace.demand_vcpus.min() > 0


def test_beside_a_gap_demand_leans_to_no_side(tmp_path: Path) -> None:
    rows = [(0, 0), (300, 0), (600, ""), (900, 8), (1200, 8)]

    trace, _ = trace_of(tmp_path, rows)

    assert trace.demand_vcpus[:60].max() == 0
    assert np.isnan(trace.demand_vcpus[60:90]).all()
    assert trace.demand_vcpus[90:].mean() == pytest.approx(8)


def test_what_is_made_up_depends_on_the_seed_and_the_domain_alone(tmp_path: Path) -> None:
    rows = [(300 * row, 2) for row in range(10)]
    path = written(tmp_path, csv_of((name, *row) for row in rows for name in ("web", "db")), "two.csv")

    alone, _ = trace_of(tmp_path, rows)
    web, db = read(path).traces
    other, _ = trace_of(tmp_path, rows, seed=2)

    assert alone.demand_vcpus.tolist() == web.demand_vcpus.tolist()
    assert alone.demand_vcpus.tolist() != db.demand_vcpus.tolist()
    assert alone.demand_vcpus.tolist() != other.demand_vcpus.tolist()


def test_rows_that_last_cover_as_much_as_they_say(tmp_path: Path) -> None:
    rows = [("7", 300, 300, 4, 1), ("7", 600, 300, 4, 2), ("7", 1500, 900, 4, 4), ("7", 2400, 300, 4, 1)]
    path = written(tmp_path, csv_of(rows, "vm,timestamp_s,duration_s,cpu_count,demand_vcpus"))

    reading = read(path, step_s=300)

    np.testing.assert_equal(reading.traces[0].demand_vcpus, [1, 2, 4, 4, 4, NAN, NAN, 1])
    assert [repair.partition("here: ")[2] for repair in reading.repairs] == [
        "rows came at uneven intervals; what a step has is the mean by time",
        "rows after a gap that is too long to bridge; what lies in it is not known",
    ]


def test_a_row_that_reaches_into_the_next_ends_there_and_is_said(tmp_path: Path) -> None:
    rows = [("7", 300, 300, 4, 1), ("7", 601, 300, 4, 2), ("7", 900, 300, 4, 3), ("7", 1200, 300, 4, 4)]
    path = written(tmp_path, csv_of(rows, "vm,timestamp_s,duration_s,cpu_count,demand_vcpus"))

    reading = read(path, step_s=300)

    assert reading.traces[0].demand_vcpus == pytest.approx([1, 2, 3, 4], abs=0.01)
    assert reading.repairs == (
        f"{path}:3: 1x, the first one here: rows that reach into the next end where that begins",
    )


def test_noise_has_the_stated_variation_and_forgets_in_the_stated_time() -> None:
    factors = wobble(chance(1, "web", "test"), 200_000, 10.0)

    assert factors.mean() == pytest.approx(1, abs=0.005)
    assert factors.std() / factors.mean() == pytest.approx(VARIATION, abs=0.005)
    assert np.corrcoef(factors[3:], factors[:-3])[0, 1] == pytest.approx(np.exp(-1), abs=0.02)
    assert factors.min() > 0


def test_noise_is_the_recursion_that_it_is_said_to_be() -> None:
    memory = np.exp(-1 / 30)
    drawn = chance(1, "web", "test").standard_normal(500)
    expected = [drawn[0]]
    for value in drawn[1:]:
        expected.append(memory * expected[-1] + np.sqrt(1 - memory**2) * value)

    factors = wobble(chance(1, "web", "test"), 500, 1.0)

    variance = np.log1p(VARIATION**2)
    assert (np.log(factors) + variance / 2) / np.sqrt(variance) == pytest.approx(np.array(expected))
